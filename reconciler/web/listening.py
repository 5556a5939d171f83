"""The socket that is listened on."""

from __future__ import annotations

import errno
import fcntl
import socket
from contextlib import suppress
from typing import Any

from reconciler.errors import SettingsError

#: So many ports are tried, the first included.
PORTS = 100
#: Who connected and is gone without a word is found out within about this time, in seconds.
GONE_S = 60
#: Connections get descriptors from here on: some libraries can wait for no higher ones, and the
#: low ones are for them.
FIRST_DESCRIPTOR = 1024


class Listening(socket.socket):
    """A socket whose connections leave the low descriptors to others."""

    def accept(self) -> tuple[socket.socket, Any]:
        """As ever, the connection with a high descriptor if it can have one."""
        connection, address = super().accept()
        with suppress(OSError):
            descriptor = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
            connection.close()
            connection = socket.socket(fileno=descriptor)
        return connection, address


def listen(host: str, port: int) -> Listening:
    """A socket bound to `host` and `port`, or to the next port that is free.

    Raises SettingsError where that cannot be.
    """
    try:
        return _listen(host, port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}. What to do: name an"
            " address of this machine in web.host, and in web.port one that is free and needs no"
            " special rights (from 1024 on)"
        ) from error


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bound(family: int, address: Any) -> Listening:
    listening = Listening(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, GONE_S // 2)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_S * 1000)
        listening.bind(address)
        # Here already: of two that bound the same port, the first to listen has it.
        listening.listen(socket.SOMAXCONN)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _listen(host: str, port: int) -> Listening:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    last = port if port == 0 else min(port + PORTS - 1, 65_535)
    while True:
        try:
            return _bound(family, (address[0], port, *address[2:]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port >= last:
                raise
            port += 1
