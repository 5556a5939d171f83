"""A receiver of webhooks: a real HTTP server that notes what it gets, and answers as told."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    def verified(self, secret: str = SECRET) -> Any:
        """The message, by the library of the specification. Raises where it is not signed."""
        return Webhook(secret).verify(self.body, dict(self.headers))


#: Writes an answer, by the request and how many came before it.
Answering = Callable[[BaseHTTPRequestHandler, Got, int], None]


def answering(status: int, body: bytes = b"thanks", **headers: str) -> Answering:
    """Answers so, always."""

    def answer(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


OK = answering(200)


@dataclass
class Receiver:
    """What came, and what is answered."""

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answer: Answering = OK
    #: Set when the receiver is to end: answers that hang wait for it.
    over: threading.Event = field(default_factory=threading.Event)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_job(self, job_id: str) -> list[Got]:
        return [got for got in list(self.got) if got.data.get("id") == job_id]

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        got = Got(handler.path, dict(handler.headers), handler.rfile.read(length))
        with self._lock:
            before = len(self.got)
            self.got.append(got)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            with suppress(OSError):
                self.answer(handler, got, before)
        finally:
            with self._lock:
                self._now -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up in the middle is no matter."""


@contextmanager
def receiver(answer: Answering = OK, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on this machine."""
    known = Receiver(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            known.take(self)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        known.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/hook"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield known
        finally:
            known.over.set()
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens and does with each connection what it likes; yields its URL."""
    over = threading.Event()

    def accept(listening: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError):
                line, _ = listening.accept()
                with line, suppress(OSError):
                    serve(line)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, args=(listening,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
