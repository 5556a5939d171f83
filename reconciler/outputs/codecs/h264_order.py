"""The order of an h264 stream's pictures: Rec. ITU-T H.264 (08/2021), 7.3.2.1, 7.3.3 and 7.4.3.

Each picture that others may refer to counts frame_num up by one. Where the sequence forbids gaps
and one is there, pictures are missing, and what refers to them is shown damaged: a decoder that
conceals it may say nothing. A decoder may begin anew at a recovery point (D.2.8) or at a number of
0 or 1, which may follow anything (memory_management_control_operation 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.codecs.base import Illegal
from reconciler.outputs.codecs.nal import Unit

SLICE, IDR, SEI, SEQUENCE, PICTURE = 1, 5, 6, 7, 8
RECOVERY_POINT = 6
#: Profiles whose parameter sets tell of colors and scaling first (7.3.2.1.1).
_HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_SEPARATE_PLANES = 3
#: A parameter set has its beginning, and a slice its number, within so many bytes.
_SET_BYTES, _SLICE_BYTES = 512, 32
_MAX_ZEROS = 32


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What of a sequence parameter set tells where a slice has its number, and what it may be."""

    number_bits: int
    separate_planes: bool
    gaps_allowed: bool


class PictureOrder:
    """Follows frame_num from picture to picture. `setup` is what an mp4 or Matroska file tells
    beforehand (ISO/IEC 14496-15, 5.3.3.1); elsewhere the packets themselves tell it."""

    def __init__(self, setup: bytes) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._sequence_of: dict[int, int] = {}
        #: The number of the last picture that may be referred to; None where none is known.
        self._last: int | None = None
        for unit in _sets(setup):
            self.take(unit)

    def take(self, unit: Unit) -> None:
        """Read the next unit of the stream. Raises Illegal where pictures before it are missing."""
        kind = unit.data[0] & 0x1F
        try:
            if kind == SEQUENCE:
                self._learn_sequence(_Bits(unit.data[4:_SET_BYTES]), unit.data[1])
            elif kind == PICTURE:
                bits = _Bits(unit.data[1:_SLICE_BYTES])
                number = bits.unsigned()
                self._sequence_of[number] = bits.unsigned()
            elif kind == SEI and unit.data[1:2] == bytes([RECOVERY_POINT]):
                self._last = None
            elif kind in (SLICE, IDR):
                self._follow(unit, kind)
        except IndexError:  # too short to tell, which is the decoder's to judge
            self._last = None

    def _learn_sequence(self, bits: _Bits, profile: int) -> None:
        number = bits.unsigned()
        separate = profile in _HIGH and bits.skip_high_profile()
        width = bits.unsigned() + 4
        bits.skip_order_count()
        bits.unsigned()  # max_num_ref_frames
        self._sequences[number] = _Sequence(width, separate, bool(bits.read(1)))

    def _follow(self, unit: Unit, kind: int) -> None:
        bits = _Bits(unit.data[1:_SLICE_BYTES])
        bits.unsigned(), bits.unsigned()  # first_mb_in_slice, slice_type
        sequence = self._sequences.get(self._sequence_of.get(bits.unsigned(), -1))
        if sequence is None or sequence.gaps_allowed:
            return
        if sequence.separate_planes:
            bits.read(2)
        number, last = bits.read(sequence.number_bits), self._last
        if unit.data[0] & 0x60:  # nal_ref_idc: others may refer to it
            self._last = number
        if kind == IDR or last is None or number <= 1:
            return
        missing = (number - last - 1) % (1 << sequence.number_bits)
        if number != last and missing:
            raise Illegal(f"frame_num is {number} after {last}: pictures before it miss", unit.at)


def _sets(setup: bytes) -> Iterator[Unit]:
    """Give the parameter sets of an avcC record."""
    at = 5
    for mask in (0x1F, 0xFF):
        count = setup[at] & mask if at < len(setup) else 0
        at += 1
        for _ in range(count):
            length = int.from_bytes(setup[at : at + 2], "big")
            if length and at + 2 + length <= len(setup):
                yield Unit(setup[at + 2 : at + 2 + length], 0)
            at += 2 + length


class _Bits:
    """The bits of a unit's beginning, without the bytes that emulation prevention put in."""

    def __init__(self, data: bytes) -> None:
        self._data = data.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def read(self, count: int) -> int:
        """Return the next bits as a number. Raises IndexError at the end."""
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - self._at & 7) & 1
            self._at += 1
        return value

    def unsigned(self) -> int:
        """Return a number in Exp-Golomb code (9.1). Raises IndexError at the end."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > _MAX_ZEROS:
                raise IndexError
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        """Return a signed number (9.1.1)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def skip_high_profile(self) -> bool:
        """Read past colors and scaling lists; tell whether the colors are coded apart."""
        chroma = self.unsigned()
        separate = chroma == _SEPARATE_PLANES and bool(self.read(1))
        self.unsigned(), self.unsigned(), self.read(1)
        if self.read(1):
            for index in range(12 if chroma == _SEPARATE_PLANES else 8):
                if self.read(1):
                    self._skip_scaling_list(16 if index < 6 else 64)
        return separate

    def _skip_scaling_list(self, size: int) -> None:
        last = following = 8
        for _ in range(size):
            if following:
                following = (last + self.signed()) % 256
            last = following or last

    def skip_order_count(self) -> None:
        """Read past what tells the order in which pictures are shown."""
        kind = self.unsigned()
        if kind == 0:
            self.unsigned()
        elif kind == 1:
            self.read(1), self.signed(), self.signed()
            for _ in range(min(self.unsigned(), 255)):
                self.signed()
