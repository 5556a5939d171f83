"""GIF: CompuServe, "Graphics Interchange Format, Version 89a".

Checked: every block is whole, the trailer is there and is the last byte; pictures are counted.
"""

from __future__ import annotations

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.inspection import Defect

TRAILER, EXTENSION, IMAGE = 0x3B, 0x21, 0x2C


def check(source: Source) -> Structure:
    """Walk the blocks of a GIF and count its pictures."""
    frames = 0
    try:
        offset = 13 + _color_table(source.read(10, 1)[0])
        while (block := _next(source, offset)) != TRAILER:
            if block == IMAGE:
                flags = source.read(offset + 9, 1)[0]
                offset = _after_blocks(source, offset + 11 + _color_table(flags))
                frames += 1
            elif block == EXTENSION:
                offset = _after_blocks(source, offset + 2)
            else:
                raise Damaged(f"no block at byte {offset}, where one must begin")
    except Damaged as error:
        return Structure((broken(error),))
    defects = trailing(source, offset + 1)
    if not frames:
        defects += (Defect("structure", "no picture in it"),)
    return Structure(defects, declared_frames=frames)


def _color_table(flags: int) -> int:
    """Return the bytes of a color table as its flags declare it (18, 20)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _next(source: Source, offset: int) -> int:
    if offset >= source.size:
        raise Damaged("trailer missing: the file ends early")
    return source.read(offset, 1)[0]


def _after_blocks(source: Source, offset: int) -> int:
    """Return the offset behind a chain of sub-blocks, which a block of size 0 ends (15, 16)."""
    while size := _next(source, offset):
        offset += size + 1
    return offset + 1
