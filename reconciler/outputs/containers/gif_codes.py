"""The code stream of one GIF picture: CompuServe, "GIF Version 89a", 22 and appendix F.

Decoders draw what the codes give and say nothing where that is fewer or more pixels than the
picture has: of flipped bits ffmpeg notices one in twenty. Here Pillow decodes the codes, in C, into
a picture one row higher than declared and filled with one value beforehand: what was not
reached keeps that value, and what went too far has overwritten some of the row below.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from reconciler.outputs.containers.base import Damaged, Source

#: Larger pictures are not measured here; a decoder's own limit comes next.
MAX_PIXELS = 100_000_000
#: Bytes of the codes of one picture; the worst there are, 12 bits for a pixel, fit.
MAX_BYTES = 160_000_000
#: All but the last can be no pixel's value where it has fewer than eight bits.
FILL, OTHER_FILL = 255, 0


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: where its descriptor stands, and where its sub-blocks begin and end."""

    offset: int
    width: int
    height: int
    #: Minimum code size: the bits of a pixel.
    bits: int
    start: int
    end: int


def insist_filled(source: Source, picture: Picture) -> None:
    """Raise Damaged where the codes are broken, or give too few or too many pixels."""
    width, height = picture.width, picture.height
    if not width or not height:
        raise Damaged(f"{width} x {height} pixels")
    if not 1 <= picture.bits <= 8:  # 2 at least by the letter; decoders take 1
        raise Damaged(f"codes of {picture.bits} bits, where 2 to 8 are possible")
    length = picture.end - picture.start
    if width * height > MAX_PIXELS or length > MAX_BYTES:
        return
    codes = b"".join(source.steps(picture.start, picture.end))
    drawn = _drawn(codes, picture, FILL)
    if drawn.crop((0, height, width, height + 1)).getextrema() != (FILL, FILL):
        raise Damaged("its codes give more pixels than it has")
    if _last(drawn) == FILL and _last(_drawn(codes, picture, OTHER_FILL)) == OTHER_FILL:
        raise Damaged("its codes give fewer pixels than it has")


def _last(drawn: Image.Image) -> object:
    return drawn.getpixel((drawn.width - 1, drawn.height - 2))


def _drawn(codes: bytes, picture: Picture, fill: int) -> Image.Image:
    """Draw the codes row by row: interlaced or not, as many pixels are as many rows."""
    canvas = Image.new("L", (picture.width, picture.height + 1), fill)
    no_interlace, no_transparency = 0, -1
    try:
        canvas.frombytes(codes, "gif", (picture.bits, no_interlace, no_transparency))
    except ValueError as error:
        if "not enough" not in str(error):  # that it was not filled is what we want
            raise Damaged("a code that cannot be: the data is damaged") from error
    return canvas
