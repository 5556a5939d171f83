"""Coded pictures of h265: Rec. ITU-T H.265 (08/2021), 7.3.1.2, 7.4.2.2 and table 7-1.

Missing references and a missing first slice are found by the decoder. What it decodes after a
damaged byte it shows in silence, so that zeros and broken lengths are looked for here.
"""

from __future__ import annotations

from reconciler.outputs.codecs import nal
from reconciler.outputs.codecs.base import Check, Illegal

#: Reserved types; from 48 on they are unspecified, and Dolby Vision has its own there.
RESERVED = {*range(10, 16), *range(22, 32), *range(41, 48)}
#: Slices up to 31, then the three parameter sets.
LAST_STRICT = 34
#: The types of pictures at which decoding may begin (IRAP), and of those that lead up to one and
#: refer to what came before it (RASL): where nothing did, they are not shown (8.1.3).
IRAP = range(16, 24)
RASL = (8, 9)
CRA, BLA_LAST = 21, 18


class _Hevc:
    def __init__(self) -> None:
        self._framing = nal.Framing()
        #: Whether the last IRAP picture began a sequence, so that its RASL pictures are lost.
        self._begins = True
        self._started = False

    def look(self, packet: bytes) -> int:
        """Check one packet, and tell whether its picture is shown."""
        shown, begun = 1, self._started
        for unit in self._framing.units(packet):
            kind = _kind(unit)
            if kind <= LAST_STRICT:
                nal.insist_legal(unit)
            if kind in IRAP:
                # each slice of a picture says so, and none of them is another picture
                self._begins = not begun or kind <= BLA_LAST
                self._started = True
            elif kind in RASL and self._begins:
                shown = 0
        return shown


def _kind(unit: nal.Unit) -> int:
    nal.insist_first_bit_zero(unit)
    kind = unit.data[0] >> 1
    if kind in RESERVED:
        raise Illegal(f"a NAL unit of the reserved type {kind}", unit.at)
    if len(unit.data) < 2 or not unit.data[1] & 7:
        raise Illegal("a NAL unit without a temporal id", unit.at)
    return kind


def check() -> Check:
    """Return a check for the packets of one stream."""
    return _Hevc().look
