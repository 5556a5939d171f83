"""Ogg: RFC 3533, pages (6).

Checked: pages fill the file; the pages of each stream are numbered without a gap, its first page
begins it and its last ends it. Streams may follow one another (chained) or stand side by side.
The checksums of pages are left to ffmpeg, which verifies them under `-err_detect crccheck`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.inspection import Defect

FIRST_PAGE_FLAG, LAST_PAGE_FLAG = 0x02, 0x04
HEADER_BYTES = 27
#: Video in Ogg is Theora; nothing in ComfyUI writes it, and its first page says so.
THEORA = b"\x80theora"
#: Streams of one file, chained ones together; a bound for files made to fill the memory.
MAX_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class _Page:
    offset: int
    end: int
    flags: int
    stream: int
    number: int


def check(source: Source) -> Structure:
    """Walk the pages of a file. Raises nothing: what is broken becomes a defect."""
    video = THEORA in source.head(4096)
    try:
        unfinished = _walk(source)
    except Damaged as error:
        return Structure((broken(error),), has_video=video)
    if unfinished:
        cut = Defect("structure", "last page missing: cut off", offset=source.size)
        return Structure((cut,), has_video=video)
    return Structure(has_video=video)


def _walk(source: Source) -> bool:
    """Tell whether some stream does not end. Raises Damaged where pages are broken or missing."""
    due: dict[int, int] = {}
    ended: set[int] = set()
    offset = 0
    while offset < source.size:
        page = _page(source, offset)
        if page.flags & FIRST_PAGE_FLAG:
            due[page.stream] = page.number
            ended.discard(page.stream)
        if page.stream not in due:
            raise Damaged("a page of a stream whose first page is missing", offset)
        if page.number != due[page.stream]:
            words = f"page {page.number} where page {due[page.stream]} is due: pages are missing"
            raise Damaged(words, offset)
        due[page.stream] = page.number + 1 & 0xFFFFFFFF
        if page.flags & LAST_PAGE_FLAG:
            ended.add(page.stream)
        if len(due) > MAX_STREAMS:
            raise Damaged(f"more than {MAX_STREAMS} streams", offset)
        offset = page.end
    return len(ended) < len(due)


def _page(source: Source, offset: int) -> _Page:
    header = source.read(offset, HEADER_BYTES)
    if header[:4] != b"OggS" or header[4]:
        raise Damaged(f"no page at byte {offset}, where one must begin", offset)
    flags, _, stream, number = struct.unpack("<BQII", header[5:22])
    segments = header[26]
    end = offset + HEADER_BYTES + segments + sum(source.read(offset + HEADER_BYTES, segments))
    if end > source.size:
        raise Damaged(f"page cut off: {source.size - offset} of {end - offset} bytes", offset)
    return _Page(offset, end, flags, stream, number)
