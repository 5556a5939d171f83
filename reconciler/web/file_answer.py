"""A file of any size as an answer, whole or in ranges: read as fast as it is taken, and no faster.

A reader who is slow costs a descriptor and a buffer. Threads are taken only to read, and they are
few and others than those of all other requests: storage that hangs holds up nothing but files.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from email.utils import formatdate
from threading import BoundedSemaphore
from typing import BinaryIO

import anyio
import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reconciler.web.problems import MEDIA_TYPE, Problem, problem_json
from reconciler.web.ranges import NotSatisfiable, ranges_of

CHUNK_BYTES = 256 * 1024
#: Files that are sent at once; each takes a descriptor for as long as its reader takes.
MOST_FILES = 64
#: Reads at once, of all files together.
READERS = 8


class FileRoom:
    """How many files are sent at once, and read at once."""

    def __init__(self) -> None:
        self.files = BoundedSemaphore(MOST_FILES)
        self.readers = anyio.CapacityLimiter(READERS)


class FileAnswer(Response):
    """Answers GET with an open file, which it closes in the end, whatever happens."""

    def __init__(
        self,
        file: BinaryIO,
        etag: str,
        media_type: str,
        headers: Mapping[str, str],
        *,
        readers: anyio.CapacityLimiter,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`etag` names the file as it is, quotes included; `readers` bounds the reads at once."""
        self._file = file
        self._on_end = on_end
        self._readers = readers
        self._state = os.fstat(file.fileno())
        self._etag = etag
        self._type = media_type
        self.status_code = 200
        self.background = None
        self.init_headers(
            {
                **headers,
                "accept-ranges": "bytes",
                "etag": etag,
                "last-modified": formatdate(self._state.st_mtime, usegmt=True),
            }
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it, until whoever asked is gone."""
        try:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._answer(Headers(scope=scope), send)
                group.cancel_scope.cancel()
        finally:
            self._file.close()
            self._on_end()

    async def _answer(self, asked: Headers, send: Send) -> None:
        size = self._state.st_size
        if _is_named(asked.get("if-none-match"), self._etag):
            await self._send(send, 304, {}, [])
            return
        try:
            wanted = ranges_of(asked.get("range"), size) if self._may_be_part(asked) else None
        except NotSatisfiable:
            problem = problem_json(
                Problem(416, f"The file has {size} bytes: none is in that range.")
            )
            told = {"content-range": f"bytes */{size}", "content-type": MEDIA_TYPE}
            told["content-length"] = str(len(problem.body))
            await self._send(send, 416, told, [bytes(problem.body)])
            return
        parts: Sequence[bytes | range]
        if wanted is None:
            told, parts = {"content-type": self._type, "content-length": str(size)}, [range(size)]
        elif len(wanted) == 1:
            told, parts = self._one(wanted[0]), wanted
        else:
            told, parts = self._several(wanted)
        await self._send(send, 200 if wanted is None else 206, told, parts)

    def _may_be_part(self, asked: Headers) -> bool:
        """Ranges are for the file that the client has a part of already."""
        return asked.get("if-range") in (None, self._etag, self.headers["last-modified"])

    def _one(self, part: range) -> dict[str, str]:
        return {
            "content-type": self._type,
            "content-range": f"bytes {part.start}-{part.stop - 1}/{self._state.st_size}",
            "content-length": str(len(part)),
        }

    def _several(self, wanted: Sequence[range]) -> tuple[dict[str, str], list[bytes | range]]:
        boundary, crlf = secrets.token_hex(16), "\r\n"
        parts: list[bytes | range] = []
        for number, part in enumerate(wanted):
            head = {
                name: text for name, text in self._one(part).items() if name != "content-length"
            }
            lines = [f"{name}: {text}" for name, text in head.items()]
            start = "\r\n" if number else ""
            parts += [f"{start}--{boundary}\r\n{crlf.join(lines)}\r\n\r\n".encode(), part]
        parts.append(f"\r\n--{boundary}--\r\n".encode())
        told = {
            "content-type": f"multipart/byteranges; boundary={boundary}",
            "content-length": str(sum(map(len, parts))),
        }
        return told, parts

    async def _send(
        self, send: Send, status: int, told: Mapping[str, str], parts: Sequence[bytes | range]
    ) -> None:
        headers = MutableHeaders(raw=list(self.raw_headers))
        for name, text in told.items():
            headers[name] = text
        await send({"type": "http.response.start", "status": status, "headers": headers.raw})
        async for chunk in self._bytes(parts):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _bytes(self, parts: Sequence[bytes | range]) -> AsyncIterator[bytes]:
        """The bytes of these parts. A file that was cut meanwhile ends early, and with it the
        connection: nobody takes it for whole."""
        for part in parts:
            if isinstance(part, bytes):
                yield part
                continue
            at = part.start
            while at < part.stop:
                length = min(CHUNK_BYTES, part.stop - at)
                chunk = await anyio.to_thread.run_sync(
                    os.pread, self._file.fileno(), length, at, limiter=self._readers
                )
                if not chunk:
                    return
                at += len(chunk)
                yield chunk


def _is_named(condition: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names the file as it is."""
    if condition is None:
        return False
    names = [name.strip().removeprefix("W/") for name in condition.split(",")]
    return "*" in names or etag in names
