"""GIF: CompuServe, "Graphics Interchange Format, Version 89a".

Checked: every block is whole, the trailer is there and is the last byte; pictures are counted, and
the code stream of each (22) gives exactly as many pixels as it has.
"""

from __future__ import annotations

import struct

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing
from reconciler.outputs.containers.gif_codes import Picture, insist_filled
from reconciler.outputs.inspection import Defect

TRAILER, EXTENSION, IMAGE = 0x3B, 0x21, 0x2C


def check(source: Source) -> Structure:
    """Walk the blocks of a GIF, count its pictures and measure their code streams."""
    frames, offset = 0, 0
    defects: list[Defect] = []
    try:
        offset = 13 + _color_table(source.read(10, 1)[0])
        while (block := _next(source, offset)) != TRAILER:
            if block == IMAGE:
                frames += 1
                picture = _picture(source, offset)
                offset = picture.end
                if not defects:  # the first picture that is wrong says enough
                    defects.extend(_wrong(source, picture, frames))
            elif block == EXTENSION:
                offset = _after_blocks(source, offset + 2)
            else:
                raise Damaged(f"no block at byte {offset}, where one must begin", offset)
    except Damaged as error:
        return Structure((*defects, broken(error)))
    defects.extend(trailing(source, offset + 1))
    if not frames:
        defects.append(Defect("structure", "no picture in it"))
    return Structure(tuple(defects), declared_frames=frames)


def _picture(source: Source, offset: int) -> Picture:
    width, height, flags = struct.unpack("<HHB", source.read(offset + 5, 5))
    codes = offset + 10 + _color_table(flags)
    (bits,) = source.read(codes, 1)
    return Picture(offset, width, height, bits, codes + 1, _after_blocks(source, codes + 1))


def _wrong(source: Source, picture: Picture, number: int) -> tuple[Defect, ...]:
    """Return what is wrong with one picture's code stream."""
    try:
        insist_filled(source, picture)
    except Damaged as error:
        return (Defect("structure", f"picture {number}: {error}", offset=picture.offset),)
    return ()


def _color_table(flags: int) -> int:
    """Return the bytes of a color table as its flags declare it (18, 20)."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _next(source: Source, offset: int) -> int:
    if offset >= source.size:
        raise Damaged("trailer missing: the file ends early", source.size)
    return source.read(offset, 1)[0]


def _after_blocks(source: Source, offset: int) -> int:
    """Return the offset behind a chain of sub-blocks, which a block of size 0 ends (15, 16)."""
    while size := _next(source, offset):
        offset += size + 1
    return offset + 1
