"""NAL units, the parts that an h264 or h265 picture consists of.

Rec. ITU-T H.264 (08/2021), 7.3.1 and 7.4.1, and H.265 (08/2021), 7.3.1 and 7.4.2: in both the
first bit is zero, and three bytes 00 00 00, 00 00 01 or 00 00 02 never stand inside a unit: the
encoder puts a 03 between, which only 00 to 03 may follow. Units follow upon each other behind
start codes (Annex B: ts, avi) or behind their lengths (ISO/IEC 14496-15, 4.3: mp4, Matroska).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.outputs.codecs.base import Illegal

_START = b"\0\0\1"
_FORBIDDEN = re.compile(rb"\0\0(?:[\x00-\x02]|\x03[^\x00-\x03])")
#: Zero bytes after a unit are no part of it (Annex B, trailing_zero_8bits), and some writers count
#: a few of them to its length; so many are more than any of them adds.
MAX_TRAILING_ZEROS = 16


@dataclass(frozen=True, slots=True)
class Unit:
    """One NAL unit, and at which byte of its packet it begins."""

    data: bytes
    at: int


class Framing:
    """Cuts packets into units; how, the first packet tells."""

    def __init__(self) -> None:
        #: Bytes of a length; 0 for start codes.
        self.length_bytes: int | None = None

    def units(self, packet: bytes) -> Iterator[Unit]:
        """Give the units of a packet. Raises Illegal where their lengths do not add up."""
        if self.length_bytes is None:
            self.length_bytes = _framing(packet)
        return _by_length(packet, self.length_bytes) if self.length_bytes else _by_code(packet)


def _framing(packet: bytes) -> int:
    """Lengths come first: one of 256 to 511 bytes looks like a start code."""
    if _fills(packet, 4):
        return 4
    if packet.startswith((_START, b"\0" + _START)):
        return 0
    return next((size for size in (2, 1) if _fills(packet, size)), 4)


def _fills(packet: bytes, size: int) -> bool:
    try:
        return all(True for _ in _by_length(packet, size))
    except Illegal:
        return False


def _by_length(packet: bytes, size: int) -> Iterator[Unit]:
    at, end = 0, len(packet)
    while at < end:
        body = at + size
        length = int.from_bytes(packet[at:body], "big")
        if length == 0 and end - at < MAX_TRAILING_ZEROS and not any(packet[at:]):
            return
        if length == 0 or body + length > end:
            raise Illegal(f"a NAL unit of {length} bytes where {end - at} are left", at)
        yield Unit(packet[body : body + length], body)
        at = body + length


def _by_code(packet: bytes) -> Iterator[Unit]:
    at = packet.find(_START)
    while at >= 0:
        following = packet.find(_START, at + 3)
        end = following if following >= 0 else len(packet)
        if data := packet[at + 3 : end].rstrip(b"\0"):
            yield Unit(data, at + 3)
        elif end - at - 3 >= MAX_TRAILING_ZEROS:
            raise Illegal("a NAL unit that is nothing but zeros", at + 3)
        at = following


def insist_legal(unit: Unit) -> None:
    """Raise Illegal where a unit holds what the encoder must have escaped, or ends in zeros."""
    data = unit.data.rstrip(b"\0")
    found = _FORBIDDEN.search(data)
    if found:
        raise Illegal(
            f"a NAL unit holds {found[0].hex(' ')}, which is forbidden", unit.at + found.start()
        )
    zeros = len(unit.data) - len(data)
    if zeros >= MAX_TRAILING_ZEROS:
        raise Illegal(f"the last {zeros} bytes of a NAL unit are zeros", unit.at + len(data))


def insist_first_bit_zero(unit: Unit) -> None:
    """Raise Illegal where forbidden_zero_bit is set."""
    if unit.data[0] & 0x80:
        raise Illegal("the first bit of a NAL unit is not zero", unit.at)
