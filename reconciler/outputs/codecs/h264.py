"""Coded pictures of h264: Rec. ITU-T H.264 (08/2021), 7.3.1 and table 7-1.

Missing macroblocks are found by the decoder, which conceals them and says so; units of no known
type it skips in silence, and pictures that are missing altogether it may (see `h264_order`).
"""

from __future__ import annotations

from reconciler.outputs.codecs import nal
from reconciler.outputs.codecs.base import Check, Illegal
from reconciler.outputs.codecs.h264_order import PictureOrder

#: Types that are reserved; above 23 they are unspecified, and Dolby Vision has its own there.
RESERVED = {0, 17, 18, 22, 23}
#: Slices, and the two parameter sets. Messages (SEI) change no picture and are often sloppy.
STRICT = {1, 2, 3, 4, 5, 7, 8, 19, 20, 21}


def check(setup: bytes = b"") -> Check:
    """Return a check for the packets of one stream; `setup` is what the container tells first."""
    framing, order = nal.Framing(), PictureOrder(setup)

    def look(packet: bytes) -> int:
        for unit in framing.units(packet):
            nal.insist_first_bit_zero(unit)
            kind = unit.data[0] & 0x1F
            if kind in RESERVED:
                raise Illegal(f"a NAL unit of the reserved type {kind}", unit.at)
            if kind in STRICT:
                nal.insist_legal(unit)
            order.take(unit)
        return 1

    return look
