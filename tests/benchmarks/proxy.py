"""A proxy that counts what a ComfyUI is asked and what it serves, the same for every client."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Self
from urllib.parse import urlsplit

_CHUNK_BYTES = 256 * 1024
#: Clients send a request in one piece and wait for its answer; websocket frames are masked.
_REQUEST = re.compile(rb"(GET|POST) (\S+) HTTP/1\.1\r\n")


@dataclass(frozen=True)
class Traffic:
    """What a ComfyUI had to serve: answers and websocket messages, headers included."""

    served_bytes: int = 0
    #: Requests by kind, such as "GET /history/{id}".
    requests: Counter[str] = field(default_factory=Counter)

    def __sub__(self, earlier: Traffic) -> Traffic:
        left = Counter(self.requests)
        left.subtract(earlier.requests)
        return Traffic(self.served_bytes - earlier.served_bytes, +left)


class CountingProxy:
    """Passes connections on to `target_url` and counts. Use it as a context manager."""

    def __init__(self, target_url: str) -> None:
        target = urlsplit(target_url)
        self._target = (target.hostname or "", target.port or 80)
        self._lock = threading.Lock()
        self._served_bytes = 0
        self._requests: Counter[str] = Counter()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,))

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def traffic(self) -> Traffic:
        """All that was counted so far."""
        with self._lock:
            return Traffic(self._served_bytes, Counter(self._requests))

    def connect(self) -> socket.socket:
        """A connection to the target."""
        return socket.create_connection(self._target)

    def note_asked(self, chunk: bytes) -> None:
        """A client sent this."""
        request = _REQUEST.match(chunk)
        if request is not None:
            with self._lock:
                self._requests[f"{request[1].decode()} {_kind(request[2].decode())}"] += 1

    def note_served(self, chunk: bytes) -> None:
        """The target sent this."""
        with self._lock:
            self._served_bytes += len(chunk)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, proxy: CountingProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        proxy = self.server.proxy
        with suppress(OSError), proxy.connect() as target:
            for each in (self.request, target):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(
                target=_pump, args=(target, self.request, proxy.note_served), daemon=True
            )
            back.start()
            _pump(self.request, target, proxy.note_asked)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, note: object) -> None:
    """Passes on until either side ends, and tells the other side so."""
    assert callable(note)
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            note(chunk)
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _kind(path: str) -> str:
    plain = path.partition("?")[0]
    head, history, prompt_id = plain.partition("/history/")
    return f"{head}{history}{{id}}" if prompt_id else plain
