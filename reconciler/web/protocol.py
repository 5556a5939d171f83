"""HTTP as uvicorn speaks it, with limits for those who say too much or too slowly."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.web.ending import App, Endings

#: Of a request's line and headers together.
MAX_HEAD_BYTES = 32 * 1024
MAX_URL_BYTES = 8 * 1024
MAX_HEADERS = 100
#: From the first byte of a connection or request to the end of its headers, in seconds.
HEAD_S = 15.0
#: A connection on which nothing is asked is closed after so long, in seconds.
IDLE_S = 30
#: What is under way when the server stops may take so long, in seconds.
GRACE_S = 1
#: Of one message of a client on a websocket: they only say what they want to hear.
MAX_MESSAGE_BYTES = 64 * 1024
#: Connections at once, where the system allows so many files.
MAX_CONNECTIONS = 2500
#: Files that the rest of the process may need.
FILES_OF_OTHERS = 1024


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads that are too long or take too long, before there is a request."""

    _head_bytes = 0
    _begun = _refused = False
    _in_head = True
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected, and must say something."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The client said something."""
        if self._refused:
            return
        if self._in_head:  # a header is only told when it is whole
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.")

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._begun = self._in_head = True
        self._stop_timer()
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def on_headers_complete(self) -> None:
        """The head is whole: the request is begun, or refused."""
        self._in_head, self._head_bytes = False, 0
        self._stop_timer()
        size = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        elif size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long.")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body; of what was refused nothing is kept."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._begun = False
        if not self._refused:
            super().on_message_complete()

    def _too_slow(self) -> None:
        if self._begun:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        else:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        self._refused = True
        if self.transport.is_closing():
            return
        told: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status}
        body = json.dumps(told | {"detail": detail}).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class EndingServer(uvicorn.Server):
    """A server that ends its streams when it stops."""

    def __init__(self, config: uvicorn.Config, endings: Endings) -> None:
        super().__init__(config)
        self._endings = endings

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What has begun to answer is cut short, the rest has `GRACE_S`."""
        self._endings.end()
        await super().shutdown(sockets)


def server_of(app: App) -> uvicorn.Server:
    """How uvicorn serves the application. Its log has failures alone: no request, no address."""
    endings = Endings(app)
    config = uvicorn.Config(
        endings,
        loop="asyncio",
        http=BoundedProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_max_queue=4,
        ws_per_message_deflate=False,  # each of a thousand would have what it hears packed anew
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=connections_allowed(),
    )
    return EndingServer(config, endings)


def connections_allowed() -> int:
    """How many connections leave enough files to the rest of the process, whose limit is raised
    for them where it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + FILES_OF_OTHERS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(max(soft - FILES_OF_OTHERS, soft // 3), MAX_CONNECTIONS)
