"""A TCP proxy on the loopback that is as bad as it is told: it cuts, delays, holds and refuses.

    with Proxy("127.0.0.1", 5432) as proxy:   # clients connect to proxy.port
        proxy.hold()                          # a black hole: connects, and nothing comes through
        proxy.release()                       # what was held arrives now, as TCP has it
        proxy.delay_s = 5.0                   # each answer comes so much later
        proxy.cut()                           # resets every connection; new ones are let through
        proxy.refuse()                        # nobody listens
        proxy.accept()                        # somebody does again, on the same port

`PostgresProxy` reads along: `cut_commit` cuts a connection before, during or after a COMMIT.
`proxied_url` names the proxy in a Postgres URL.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK_BYTES = 65536


class Proxy:
    """Stands between clients and one server. Every method may be called from any thread."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        #: Seconds by which each answer is later than the server gave it.
        self.delay_s = 0.0
        self._passing = threading.Event()
        self._passing.set()
        self._closed = threading.Event()
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        #: Connections that were ever accepted.
        self.accepted = 0
        self._listener: socket.socket | None = None
        self.port = 0
        self.accept()

    def hold(self) -> None:
        """Passes nothing on any more, in neither direction, and keeps every connection."""
        self._passing.clear()

    def release(self) -> None:
        """Passes on again, first what was held."""
        self._passing.set()

    def cut(self) -> None:
        """Resets every connection."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()

    def refuse(self) -> None:
        """Refuses new connections; those that are there stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # close() alone leaves it listening for as long as another thread is in accept()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def accept(self) -> None:
        """Accepts connections, on the port of before."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Ends everything."""
        self._closed.set()
        self._passing.set()
        self.refuse()
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        """What stands between one client and its connection to the server."""
        return Link(self, client, server)

    def wait_to_pass(self, delay_s: float) -> None:
        """Returns when something may be passed on, `delay_s` seconds from now at the earliest."""
        self._closed.wait(delay_s)
        self._passing.wait()

    def forget(self, link: Link) -> None:
        """The connection is closed."""
        with self._lock:
            self._links.discard(link)

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client = listener.accept()[0]
                threading.Thread(target=self._open, args=(client,), daemon=True).start()

    def _open(self, client: socket.socket) -> None:
        self.accepted += 1
        try:
            server = socket.create_connection(self._server, 10.0)
            server.settimeout(None)
        except OSError:
            reset(client)
            return
        link = self.link(client, server)
        with self._lock:
            self._links.add(link)
        link.start()


class Link:
    """One client's connection: a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._asked = False
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        """Passes on from now on."""
        for pump in (self._pump_questions, self._pump_answers):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def cut(self) -> None:
        """The client sees a reset, the server a close."""
        reset(self._client)
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._proxy.forget(self)

    def question(self, data: bytes) -> None:
        """Passes on what the client says."""
        self._server.sendall(data)

    def answer(self, data: bytes) -> None:
        """Passes on what the server says."""
        self._client.sendall(data)

    def _run(self, pump: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError):  # either end is gone
                pump()
        finally:
            self.cut()

    def _pump_questions(self) -> None:
        while data := self._client.recv(_CHUNK_BYTES):
            self._proxy.wait_to_pass(0.0)
            self._asked = True
            self.question(data)

    def _pump_answers(self) -> None:
        while data := self._server.recv(_CHUNK_BYTES):
            # The first bytes wait: those that follow are of the same answer.
            delay_s = self._proxy.delay_s if self._asked else 0.0
            self._asked = False
            self._proxy.wait_to_pass(delay_s)
            self.answer(data)


class Moment(enum.Enum):
    """When a connection is cut."""

    #: Postgres never hears of the COMMIT.
    BEFORE_COMMIT = "before"
    #: Postgres hears of it; nobody hears its answer, and the client is gone at once.
    DURING_COMMIT = "during"
    #: Postgres has committed and answered; the answer does not arrive.
    AFTER_COMMIT = "after"


class PostgresProxy(Proxy):
    """Reads along what a client says to Postgres. To TLS it says no, in the server's name."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._moment: Moment | None = None
        self._saying: tuple[bytes, ...] = ()
        self._times = 0
        #: How often a connection was cut at a COMMIT.
        self.cuts = 0
        #: Every simple query since the start, of all connections in one order.
        self.queries: list[bytes] = []

    def cut_commit(self, moment: Moment, *saying: bytes, times: int = 1) -> None:
        """Cuts connections at the next `times` COMMITs of transactions whose statements hold all
        of `saying`."""
        with self._lock:
            self._moment, self._saying, self._times = moment, saying, times

    def link(self, client: socket.socket, server: socket.socket) -> Link:
        return _PostgresLink(self, client, server)

    def moment_of(self, transaction: bytes) -> Moment | None:
        """When to cut the connection that is about to commit this; None: not at all."""
        with self._lock:
            if self._times == 0 or not all(word in transaction for word in self._saying):
                return None
            self._times -= 1
            self.cuts += 1
            return self._moment


class _PostgresLink(Link):
    """Follows the messages of the client: a type of one byte, a length of four, the text."""

    def __init__(self, proxy: PostgresProxy, client: socket.socket, server: socket.socket) -> None:
        super().__init__(proxy, client, server)
        self._postgres = proxy
        self._pending = b""
        self._started = False
        self._transaction = b""
        self._cut_at_answer = False

    def question(self, data: bytes) -> None:
        self._pending += data
        while (message := self._next_message()) is not None:
            if message[:1] == b"Q" and self._started:
                self._ask(message, message[5:-1])
            else:
                self._server.sendall(message)

    def answer(self, data: bytes) -> None:
        if self._cut_at_answer:
            raise ConnectionResetError
        super().answer(data)

    def _next_message(self) -> bytes | None:
        """The client's next whole message. What comes before the first `Q` may have no type."""
        head = 1 if self._started else 0
        if len(self._pending) < head + 4:
            return None
        length = head + struct.unpack_from("!I", self._pending, head)[0]
        if len(self._pending) < length:
            return None
        message, self._pending = self._pending[:length], self._pending[length:]
        if not self._started:
            if length == 8:  # is there TLS, or GSS encryption?
                self._client.sendall(b"N")
                return self._next_message()
            self._started = True
        return message

    def _ask(self, message: bytes, query: bytes) -> None:
        self._postgres.queries.append(query)
        if query.upper().startswith(b"BEGIN"):
            self._transaction = b""
        self._transaction += query
        committing = query.upper().startswith(b"COMMIT")
        moment = self._postgres.moment_of(self._transaction) if committing else None
        if moment is Moment.BEFORE_COMMIT:
            raise ConnectionResetError
        self._cut_at_answer = moment is Moment.AFTER_COMMIT
        self._server.sendall(message)
        if moment is Moment.DURING_COMMIT:
            raise ConnectionResetError


def reset(end: socket.socket) -> None:
    """Closes with a reset: the other end's next call fails, and does not read an end of file."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)
    end.close()


def proxied_url(url: str, port: int) -> str:
    """A Postgres URL with the proxy's address in place of the server's."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(
        netloc=f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
    ).geturl()


def postgres_proxy(url: str) -> PostgresProxy:
    """A proxy before the server of a URL; `proxied_url(url, proxy.port)` leads through it."""
    parts = urlsplit(url)
    return PostgresProxy(parts.hostname or "127.0.0.1", parts.port or 5432)
