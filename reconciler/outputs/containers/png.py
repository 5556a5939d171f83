"""PNG and APNG: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".

Checked: signature, the CRC of every chunk (5.5), IHDR comes first, IDAT and IEND are there and IEND
is the end. Of an animation (11.3.6): its chunks are numbered without a gap, it has the frames that
acTL declares, and each lies inside the picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.inspection import Defect

STEP_BYTES = 1024**2


def check(source: Source) -> Structure:
    """Check the chunks of a PNG; an animated one declares its frames."""
    animation = _animation_frames(source)
    kinds: set[bytes] = set()
    end = 8
    try:
        frames = _Frames(source)
        for kind, stop in _chunks(source):
            if not kinds and kind != b"IHDR":
                raise Damaged("IHDR chunk missing at the start", 8)
            if animation:
                frames.take(kind, end)
            kinds.add(kind)
            end = stop
        if animation and b"IEND" in kinds:
            frames.insist(animation, end)
    except Damaged as error:
        return Structure((broken(error),), has_video=bool(animation), declared_frames=animation)
    missing = [name for name in ("IDAT", "IEND") if name.encode() not in kinds]
    defects = [
        Defect("structure", f"{name} chunk missing: cut off", offset=end) for name in missing
    ]
    if b"IEND" in kinds:
        defects.extend(trailing(source, end))
    return Structure(tuple(defects), has_video=bool(animation), declared_frames=animation)


def _chunks(source: Source) -> Iterator[tuple[bytes, int]]:
    """Give type and end of each chunk up to IEND. Raises Damaged where one is broken."""
    offset = 8
    while offset < source.size:
        size, kind = struct.unpack(">I4s", source.read(offset, 8))
        name = kind.decode("ascii", "replace")
        stop = offset + 12 + size
        if not kind.isalpha():
            raise Damaged(f"no chunk at byte {offset}, where one must begin", offset)
        if stop > source.size:
            words = f"{name} chunk cut off: {source.size - offset} of {12 + size} bytes"
            raise Damaged(words, offset)
        if _crc(source, offset + 4, stop - 4) != source.read(stop - 4, 4):
            raise Damaged(f"{name} chunk at byte {offset} has a wrong checksum", offset)
        yield kind, stop
        if kind == b"IEND":
            return
        offset = stop


class _Frames:
    """Follows the chunks of an animation: fcTL begins a frame, fdAT is data of it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._width, self._height = struct.unpack(">II", source.read(16, 8))
        self._due = 0
        self._frames = 0

    def take(self, kind: bytes, offset: int) -> None:
        """Read the chunk at `offset`. Raises Damaged where it does not follow, or fit."""
        if kind not in (b"fcTL", b"fdAT"):
            return
        number, width, height, x, y = struct.unpack(">IIIII", self._source.read(offset + 8, 20))
        if number != self._due:
            words = f"animation chunk {number} where {self._due} is due: chunks are missing"
            raise Damaged(words, offset)
        self._due += 1
        if kind == b"fcTL":
            self._frames += 1
            if x + width > self._width or y + height > self._height:
                raise Damaged(f"frame {self._frames} lies outside the picture", offset)

    def insist(self, declared: int, end: int) -> None:
        """Raise Damaged where there are more or fewer frames than declared."""
        if self._frames != declared:
            raise Damaged(f"{self._frames} of {declared} frames are there", end)


def _crc(source: Source, start: int, end: int) -> bytes:
    crc = 0
    for offset in range(start, end, STEP_BYTES):
        crc = zlib.crc32(source.read(offset, min(STEP_BYTES, end - offset)), crc)
    return struct.pack(">I", crc)


def _animation_frames(source: Source) -> int | None:
    """Read the number of frames out of acTL, which stands before the first picture."""
    offset = 8
    try:
        while source.read(offset + 4, 4) != b"IDAT":
            (size,) = struct.unpack(">I", source.read(offset, 4))
            if source.read(offset + 4, 4) == b"acTL":
                return int.from_bytes(source.read(offset + 8, 4), "big")
            offset += 12 + size
    except Damaged:
        pass
    return None
