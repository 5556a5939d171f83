"""A proxy before a ComfyUI server that can misbehave: in its answers, and on the websocket."""

from __future__ import annotations

import http.client
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit

#: Hop-by-hop, or about to be said anew.
_NOT_PASSED_ON = {"connection", "content-length", "transfer-encoding", "keep-alive"}
_PATIENCE_S = 20.0


class Visit:
    """One request, or one websocket, and what may be done with it."""

    def __init__(self, line: socket.socket, head: bytes, body: bytes, upstream: str) -> None:
        self.line = line
        self.head = head
        self.body = body
        self.upstream = upstream
        #: Set when the misbehaviour is over, or the proxy.
        self.over = threading.Event()
        self.method, self.path = head.split(b" ", 2)[0].decode(), head.split(b" ", 2)[1].decode()

    @property
    def is_websocket(self) -> bool:
        """Whether it asks for one."""
        return b"upgrade: websocket" in self.head.lower()

    def ask(self) -> tuple[str, list[str], bytes]:
        """What the server answers: status, headers, body."""
        where = urlsplit(self.upstream)
        server = http.client.HTTPConnection(where.hostname or "", where.port, timeout=_PATIENCE_S)
        with closing(server):
            server.request(self.method, self.path, self.body or None, self._headers())
            answer = server.getresponse()
            headers = [
                f"{k}: {v}" for k, v in answer.getheaders() if k.lower() not in _NOT_PASSED_ON
            ]
            return f"{answer.status} {answer.reason}", headers, answer.read()

    def say(
        self, body: bytes, *headers: str, status: str = "200 OK", length: int | None = None
    ) -> None:
        """Answer; `length` is what the answer claims to be long."""
        claimed = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {claimed}", *headers, "", ""]
        self.line.sendall("\r\n".join(lines).encode("latin-1") + body)

    def pass_on(self) -> None:
        """Answer as the server does."""
        status, headers, body = self.ask()
        self.say(body, *headers, status=status)

    def hang_up(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self.line.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Close it as a crashed machine does: RST."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.line.close()

    def shake_hands(self) -> None:
        """Open the websocket, of which the server hears no more after that."""
        where = urlsplit(self.upstream)
        with socket.create_connection((where.hostname or "", where.port or 80)) as server:
            server.sendall(self.head)
            answer = b""
            while b"\r\n\r\n" not in answer and (more := server.recv(1)):
                answer += more
            self.line.sendall(answer)

    def splice(self) -> None:
        """Be a websocket's wire until either end hangs up, or `over`."""
        where = urlsplit(self.upstream)
        with socket.create_connection((where.hostname or "", where.port or 80)) as server:
            server.sendall(self.head)
            other = {self.line: server, server: self.line}
            while not self.over.is_set():
                for ready in select.select(list(other), [], [], 0.05)[0]:
                    if not (data := ready.recv(64 * 1024)):
                        return
                    other[ready].sendall(data)

    def _headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.split(": ", 1) for line in lines if ": " in line)
        return {name: value for name, value in pairs if name.lower() not in _NOT_PASSED_ON}


#: Does something with a visit; what it raises of `OSError` ends the connection.
Manner = Callable[[Visit], None]


#: Manners that begin before a websocket is open.
WITHOUT_HANDSHAKE: set[Manner] = set()


class HttpProxy:
    """Stands before `upstream`, and is honest until told otherwise."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.requests = 0
        self._manner: Manner | None = None
        self._socket_manner: Manner | None = None
        self._visits: set[Visit] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads[0].start()

    def misbehave(self, manner: Manner | None = None, socket_manner: Manner | None = None) -> None:
        """From now on; websockets that are open fall under it as well."""
        self._manner, self._socket_manner = manner, socket_manner
        self._end_visits(sockets_only=True)

    def behave(self) -> None:
        """From now on as the server does; who was kept waiting is hung up on."""
        self._manner = self._socket_manner = None
        self._end_visits(sockets_only=False)

    def close(self) -> None:
        """Hang up on everybody."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._manner = self._socket_manner = None
        self._end_visits(sockets_only=False)
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def _end_visits(self, *, sockets_only: bool) -> None:
        with self._lock:
            for visit in self._visits:
                if visit.is_websocket or not sockets_only:
                    visit.over.set()
                    if not visit.is_websocket or self._socket_manner is None:
                        visit.hang_up()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(line,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, line: socket.socket) -> None:
        with line, suppress(OSError, http.client.HTTPException):
            while (request := _request(line)) is not None:
                visit = Visit(line, *request, self.upstream)
                with self._noted(visit):
                    if visit.is_websocket:
                        self._serve_websocket(visit)
                        return
                    self.requests += 1
                    (self._manner or Visit.pass_on)(visit)

    def _serve_websocket(self, visit: Visit) -> None:
        """A misbehaviour that begins while it is honest takes the open socket over."""
        if self._socket_manner is None:
            visit.splice()
            visit.over.clear()
        elif self._socket_manner not in WITHOUT_HANDSHAKE:
            visit.shake_hands()
        if self._socket_manner is not None:
            self._socket_manner(visit)

    @contextmanager
    def _noted(self, visit: Visit) -> Iterator[None]:
        with self._lock:
            self._visits.add(visit)
        try:
            yield
        finally:
            with self._lock:
                self._visits.discard(visit)


def _request(line: socket.socket) -> tuple[bytes, bytes] | None:
    """Head and body of the next request; None once the client has gone."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (more := line.recv(64 * 1024)):
            return None
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].split(b":")[1]):
        body += line.recv(64 * 1024)
    return head + b"\r\n\r\n", body


@contextmanager
def before(upstream: str) -> Iterator[HttpProxy]:
    """A proxy before this server."""
    with closing(HttpProxy(upstream)) as proxy:
        yield proxy
