"""The box structure of ISO/IEC 14496-12, 4.2, and of QuickTime, where a box is an atom."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source

#: Boxes side by side; a fragmented file has two per fragment.
MAX_BOXES = 200_000


@dataclass(frozen=True, slots=True)
class Box:
    """One box: `start`, `body` and `end` are offsets into the source."""

    type: bytes
    start: int
    body: int
    end: int

    @property
    def name(self) -> str:
        """Its type for a person."""
        return self.type.decode("ascii", "replace")

    def read(self, source: Source) -> bytes:
        """Return what is inside; only for boxes whose size was bounded."""
        return source.read(self.body, self.end - self.body)


def children(source: Source, start: int, end: int) -> Iterator[Box]:
    """Give the boxes between two offsets. Raises Damaged where they do not fill the space."""
    offset, seen = start, 0
    while offset < end:
        seen += 1
        if seen > MAX_BOXES:
            raise Damaged(f"more than {MAX_BOXES} boxes side by side", offset)
        if end - offset < 8:
            if start and not any(source.read(offset, end - offset)):
                return  # QuickTime ends some lists with 32 bits of zero
            raise Damaged(f"{end - offset} bytes of something else at byte {offset}", offset)
        box = _box(source, offset, end)
        yield box
        offset = box.end


def _box(source: Source, offset: int, end: int) -> Box:
    size, kind = struct.unpack(">I4s", source.read(offset, 8))
    body = offset + 8
    if size == 1:
        (size,) = struct.unpack(">Q", source.read(body, 8))
        body += 8
    elif size == 0:
        size = end - offset  # "to the end of the file": what a killed writer leaves
    name = kind.decode("ascii", "replace")
    if not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind):
        raise Damaged(f"no box at byte {offset}, where one must begin", offset)
    if size < body - offset:
        raise Damaged(f"{name} box at byte {offset} has an impossible size", offset)
    if offset + size > end:
        raise Damaged(f"{name} box cut off: {end - offset} of {size} bytes", offset)
    return Box(kind, offset, body, offset + size)


def inside(source: Source, parent: Box) -> dict[bytes, Box]:
    """Return the children of a box by their type, of each type the first.

    Raises Damaged where they do not fill it.
    """
    found: dict[bytes, Box] = {}
    for box in children(source, parent.body, parent.end):
        found.setdefault(box.type, box)
    return found


def need(found: dict[bytes, Box], kind: bytes, parent: Box) -> Box:
    """Return the child of that type. Raises Damaged where there is none."""
    if kind not in found:
        raise Damaged(f"{kind.decode()} box missing inside {parent.name}", parent.start)
    return found[kind]


def clock(source: Source, box: Box) -> tuple[int, int | None]:
    """Read ticks per second and duration out of an mvhd or mdhd box (8.2.2, 8.4.2).

    The duration is None where the writer did not know it, and wrote only ones.
    """
    wide = source.read(box.body, 1)[0] == 1
    if box.end - box.body < (32 if wide else 20):
        raise Damaged(f"{box.name} box at byte {box.start} is too short", box.start)
    scale, length = struct.unpack(
        ">IQ" if wide else ">II", source.read(box.body + (20 if wide else 12), 12 if wide else 8)
    )
    if scale == 0:
        raise Damaged(f"{box.name} box declares a clock of 0 ticks per second", box.start)
    return int(scale), _known(length, wide)


def track_header(source: Source, box: Box) -> tuple[int, int | None]:
    """Read id and duration, in ticks of the movie, out of a tkhd box (8.3.2)."""
    wide = source.read(box.body, 1)[0] == 1
    at = box.body + (20 if wide else 12)
    (number, _, length) = struct.unpack(
        ">IIQ" if wide else ">III", source.read(at, 16 if wide else 12)
    )
    return int(number), _known(length, wide)


def _known(length: int, wide: bool) -> int | None:
    return None if length == (0xFFFFFFFFFFFFFFFF if wide else 0xFFFFFFFF) else int(length)
