"""One websocket connection to a ComfyUI server, bounded in time and size."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import certifi
import websocket
from websocket import ABNF, WebSocketException

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.deadline import Deadline, hang_up

_CONNECT_TIMEOUT_S = 3.0
#: ComfyUI's loop can be busy for seconds.
_GOODBYE_S = 5.0
_REASON_CHARS = 200
#: Headers that are longer are none; the library reads them byte by byte, and without end.
_MAX_HANDSHAKE_BYTES = 64 * 1024


class Hangup(Exception):
    """The connection could not be made, or broke; the message says why."""


class Silence(Exception):
    """The connection is open, and nothing came in the time given."""


class Channel:
    """A connection from `open` to `close`. One thread reads it; others may `cut` it."""

    def __init__(self, address: ServerAddress, client_id: str, *, max_message_bytes: int) -> None:
        self._address = address
        self._url = f"{address.websocket_base}/ws?clientId={quote(client_id, safe='')}"
        self._line: socket.socket | None = None
        self._socket: Any = _BoundedSocket(max_message_bytes)  # Its library is half typed.
        self._talking = False
        self._was_cut = False

    def open(self, timeout_s: float) -> None:
        """Connect and shake hands within `timeout_s`. Raises `Hangup`."""
        with Deadline(timeout_s, self.cut):
            try:
                self._connect(min(timeout_s, _CONNECT_TIMEOUT_S))
                self._socket.connect(
                    self._url,
                    socket=_Handshake(self._line, _MAX_HANDSHAKE_BYTES),
                    header=self._address.request_headers,
                    suppress_origin=True,
                    redirect_limit=0,
                )
                self._socket.sock = self._line
                self._talking = True
            except (WebSocketException, OSError, ValueError) as error:
                raise Hangup(self._words(error)) from error

    def hear(self, patience_s: float) -> bytes | None:
        """The next text message, or None for a binary one. Raises `Hangup` or `Silence`."""
        self._socket.begin(patience_s)
        try:
            kind, data = self._socket.recv_data()
        except websocket.WebSocketTimeoutException as error:
            raise Silence(f"nothing was heard for {patience_s:g} s") from error
        except (WebSocketException, OSError, ValueError) as error:
            raise Hangup(self._words(error)) from error
        if kind == ABNF.OPCODE_CLOSE:
            self._talking = False  # The library has answered it.
            raise Hangup(f"the server closed the connection{_close_reason(data)}")
        return bytes(data) if kind == ABNF.OPCODE_TEXT else None

    def goodbye(self) -> None:
        """Ask the server to close, from any thread; whoever hears then hears the end."""
        if self._talking:
            self._talking = False
            with suppress(WebSocketException, OSError):
                self._socket.send_close()

    def close(self) -> None:
        """Say goodbye and wait, 5 s at most, for the server to hang up.

        Until then its handler has not forgotten this connection, and when it does so it would
        take a new one of the same client id along.
        """
        self.goodbye()
        with suppress(WebSocketException, OSError, ValueError):
            self._socket.begin(_GOODBYE_S)
            while True:
                self._socket.recv_frame()
        self._socket.shutdown()
        if self._line is not None:
            self._line.close()

    def cut(self) -> None:
        """Break the connection at once, from any thread."""
        self._was_cut = True
        hang_up(self._line)

    def _connect(self, timeout_s: float) -> None:
        parts = urlsplit(self._address.base)
        secure = parts.scheme == "https"
        where = (parts.hostname or "", parts.port or (443 if secure else 80))
        self._line = socket.create_connection(where, timeout_s)
        if secure:
            authority = self._address.tls_ca or certifi.where()
            context = ssl.create_default_context(cafile=str(authority))
            self._line = context.wrap_socket(self._line, server_hostname=where[0])
        if self._was_cut:
            raise TimeoutError

    def _words(self, error: Exception) -> str:
        if self._was_cut:
            return "the connection did not come about in time"
        return (str(error).strip() or type(error).__name__)[:_REASON_CHARS]


class _Handshake:
    """A line on which so many bytes are read at most."""

    def __init__(self, line: socket.socket | None, max_bytes: int) -> None:
        self._line = line
        self._left = max_bytes

    def recv(self, bufsize: int) -> bytes:
        """As a socket's."""
        data: bytes = self.__getattr__("recv")(bufsize)
        self._left -= len(data)
        if self._left < 0:
            raise WebSocketException("the handshake has no end")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)


class _BoundedSocket(websocket.WebSocket):
    """A websocket whose messages are bounded in time, from first to last byte, and in size.

    The library bounds neither: its time-out starts anew with every byte.
    """

    def __init__(self, max_message_bytes: int) -> None:
        super().__init__(skip_utf8_validation=True)
        self._max_bytes = max_message_bytes
        self._taken = 0
        self._until = 0.0

    def begin(self, patience_s: float) -> None:
        """A new message may come, within this time."""
        self._taken = 0
        self._until = time.monotonic() + patience_s

    def _recv(self, bufsize: int) -> Any:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise websocket.WebSocketTimeoutException("the time is over")
        self.settimeout(left_s)
        receive: Any = super()._recv
        data = receive(bufsize)
        self._taken += len(data)
        if self._taken > self._max_bytes:
            raise websocket.WebSocketPayloadException(
                f"a message has more than {self._max_bytes} bytes"
            )
        return data


def _close_reason(data: bytes) -> str:
    if len(data) < 2:
        return ""
    return f" ({int.from_bytes(data[:2])} {data[2:].decode('utf-8', 'replace')!r})"
