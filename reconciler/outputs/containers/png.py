"""PNG and APNG: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)".

Checked: signature, the CRC of every chunk (5.5), IDAT and IEND are there and IEND is the end;
the frames of an animation are those of its acTL chunk (11.3.6.1).
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
        for kind, stop in _chunks(source):
            kinds.add(kind)
            end = stop
    except Damaged as error:
        return Structure((broken(error),), has_video=bool(animation), declared_frames=animation)
    missing = [name for name in ("IDAT", "IEND") if name.encode() not in kinds]
    defects = [Defect("structure", f"{name} chunk missing: cut off") for name in missing]
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
            raise Damaged(f"no chunk at byte {offset}, where one must begin")
        if stop > source.size:
            raise Damaged(f"{name} chunk cut off: {source.size - offset} of {12 + size} bytes")
        if _crc(source, offset + 4, stop - 4) != source.read(stop - 4, 4):
            raise Damaged(f"{name} chunk at byte {offset} has a wrong checksum")
        yield kind, stop
        if kind == b"IEND":
            return
        offset = stop


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
