"""GET /view: a file of ComfyUI's output directory, for those who cannot read that directory.

aiohttp, which ComfyUI serves files with, tells a file's time in nanoseconds in its ETag
("<mtime_ns>-<size>", both in hexadecimal); a proxy may leave only Last-Modified, in seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import BinaryIO, TypeVar

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.transport import NoSuchRoute, NotThere, Transport
from reconciler.errors import OutputError, ServerAnswer, ServerRefused

#: No file takes longer to arrive, in seconds: an hour is 36 GB at 10 MB/s.
LONGEST_S = 3600.0
_SHOWN_CHARS = 160
_T = TypeVar("_T")
_ETAG = re.compile(r'(?:W/)?"([0-9a-f]{1,32})-([0-9a-f]{1,32})"')


@dataclass(frozen=True, slots=True)
class ViewedFile:
    """A file as the server's headers describe it."""

    size_bytes: int
    #: Nanoseconds since the epoch by the server's clock; None where it does not tell.
    mtime_ns: int | None


class Viewer:
    """Fetches files of one server, over a connection of its own: a film holds up no look."""

    def __init__(
        self, address: ServerAddress, *, connect_timeout_s: float, timeout_s: float
    ) -> None:
        """`timeout_s` is how long the server may be silent; a file may take `LONGEST_S`."""
        self.address = address
        self._http = Transport(address, connect_timeout_s, timeout_s, 2**16)
        self._closed = False

    def fetch(
        self,
        name: str,
        target: Callable[[ViewedFile], BinaryIO | None],
        *,
        max_bytes: int,
        heard: Callable[[int, int], None],
    ) -> ViewedFile | None:
        """Writes the file `name` (`subfolder/filename`) to what `target` opens; `heard` is told
        how many of how many bytes are there.

        `target` may give None: the file is known, and its bytes are not read. The result is None
        where the server answers that there is no such file.

        Raises ServerRefused, ServerTimeout and ServerAnswer, the last also for a file of more than
        `max_bytes` or one that does not arrive whole; OutputError where it cannot be written.
        """
        if self._closed:
            raise ServerRefused(f"{self.address} is not asked any more: we are stopping")
        path = PurePosixPath(name)
        folder = "" if path.parent == PurePosixPath() else str(path.parent)
        query = {"filename": path.name, "subfolder": folder, "type": "output"}
        try:
            with self._http.streamed("/view", query, LONGEST_S) as (headers, chunks):
                described = self._described(name, headers, max_bytes)
                sink = _writing(name, lambda: target(described))
                if sink is not None:
                    with _closing(name, sink):
                        self._copy(name, chunks, sink, described.size_bytes, heard)
                return described
        except NotThere:
            self._require_comfyui()
            return None

    def _require_comfyui(self) -> None:
        """Some proxies say 404 as emptily as ComfyUI: only ComfyUI refuses ".." in another way.

        Raises ServerRefused, ServerTimeout, and ServerAnswer for a 404 that is not ComfyUI's.
        """
        try:
            self._http.get("/view", {"filename": "..", "type": "output"})
        except NoSuchRoute:
            raise
        except ServerAnswer:
            return

    def _copy(
        self,
        name: str,
        chunks: Iterator[bytes],
        sink: BinaryIO,
        size_bytes: int,
        heard: Callable[[int, int], None],
    ) -> None:
        taken = 0
        for chunk in chunks:
            taken += len(chunk)
            if taken > size_bytes or self._closed:
                break
            _writing(name, lambda chunk=chunk: sink.write(chunk))  # type: ignore[misc]
            heard(taken, size_bytes)
        if taken != size_bytes:
            raise ServerAnswer(
                f"{self.address} sent {taken} of the {size_bytes} bytes of {_shown(name)}"
            )

    def _described(self, name: str, headers: Mapping[str, str], max_bytes: int) -> ViewedFile:
        length = headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise ServerAnswer(f"{self.address} does not say how large {_shown(name)} is")
        size = int(length)
        if size > max_bytes:
            raise ServerAnswer(
                f"{_shown(name)} has {size} bytes, more than outputs.fetch_limit_bytes allows"
                f" ({max_bytes})"
            )
        return ViewedFile(size, _time_of(headers, size))

    def close(self) -> None:
        """Closes the connection for good; a transfer that runs is cut."""
        self._closed = True
        self._http.cut()


def _writing(name: str, write: Callable[[], _T]) -> _T:
    """What cannot be written here is no fault of the server's."""
    try:
        return write()
    except OSError as error:
        raise OutputError(
            f"{_shown(name)} cannot be kept here: {error.strerror or error}"
        ) from error


@contextmanager
def _closing(name: str, sink: BinaryIO) -> Iterator[None]:
    try:
        yield
    finally:
        _writing(name, sink.close)  # which writes what is left


def _time_of(headers: Mapping[str, str], size_bytes: int) -> int | None:
    tag = _ETAG.fullmatch(headers.get("ETag", ""))
    if tag is not None and int(tag[2], 16) == size_bytes:
        return int(tag[1], 16)
    with suppress(ValueError, TypeError, OverflowError):
        told = parsedate_to_datetime(headers.get("Last-Modified", ""))
        return int(told.timestamp()) * 10**9
    return None


def _shown(name: str) -> str:
    return repr(name[:_SHOWN_CHARS])
