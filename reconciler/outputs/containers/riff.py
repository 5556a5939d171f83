"""Chunks of RIFF: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications".

The frame that webp, avi and wav share; each has a module for what is its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source

#: What a writer to a pipe leaves as size, since it cannot come back to fill it in.
STREAMED = 0xFFFFFFFF
#: A chunk per picture and many of sound between two: hours of them.
MAX_CHUNKS = 4_000_000


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: its body lies between two offsets of the file, without the padding."""

    type: bytes
    body: int
    end: int


def form(source: Source, offset: int = 0) -> Chunk:
    """Return the outer chunk at `offset`. Raises Damaged where it is longer than the file."""
    _, size = struct.unpack("<4sI", source.read(offset, 8))
    kind = source.read(offset + 8, 4)
    end = source.size if size == STREAMED else offset + 8 + size
    if end > source.size:
        raise Damaged(f"RIFF cut off: {source.size - offset} of {8 + size} bytes", offset)
    return Chunk(kind, offset + 12, end)


def chunks(source: Source, start: int, end: int) -> Iterator[Chunk]:
    """Give the chunks between two offsets. Raises Damaged where they do not fill the space."""
    offset = start
    for _ in range(MAX_CHUNKS):
        if offset >= end:
            return
        kind, size = struct.unpack("<4sI", source.read(offset, 8))
        stop = end if size == STREAMED else offset + 8 + size
        if stop > end:
            name = kind.decode("ascii", "replace")
            raise Damaged(f"{name!r} chunk cut off: {end - offset} of {8 + size} bytes", offset)
        yield Chunk(kind, offset + 8, stop)
        offset = stop + (stop - offset) % 2
    raise Damaged(f"more than {MAX_CHUNKS} chunks side by side")
