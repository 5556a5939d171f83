"""Temporal units of av1: AV1 Bitstream & Decoding Process Specification, 5.3, 5.9 and 6.2.

Each unit consists of OBUs whose sizes add up; the forbidden bit and the reserved one are zero.
"""

from __future__ import annotations

from reconciler.outputs.codecs.base import Check, Illegal, insist_no_zeros

RESERVED = {0, *range(9, 15)}
TILE_GROUP, FRAME = 4, 6
MAX_LEB128_BYTES = 8


def check() -> Check:
    """Return a check for the packets of one stream."""
    return _look


def _look(packet: bytes) -> int:
    at, end = 0, len(packet)
    while at < end:
        header = packet[at]
        kind = header >> 3 & 15
        if header & 0x81:
            raise Illegal("a forbidden bit is set in the header of an OBU", at)
        if kind in RESERVED:
            raise Illegal(f"an OBU of the reserved type {kind}", at)
        body = at + (2 if header & 4 else 1)
        size, body = _size(packet, body) if header & 2 else (end - body, body)
        if size < 0 or body + size > end:
            raise Illegal(f"an OBU of {size} bytes where {end - at} are left", at)
        if kind in (TILE_GROUP, FRAME):
            insist_no_zeros(packet, body, body + size, "an OBU of coded tiles")
        at = body + size
    return 1


def _size(packet: bytes, at: int) -> tuple[int, int]:
    """Read a leb128 number (4.10.5); give it and where it ends."""
    value = 0
    for count, byte in enumerate(packet[at : at + MAX_LEB128_BYTES]):
        value |= (byte & 0x7F) << 7 * count
        if not byte & 0x80:
            return value, at + count + 1
    raise Illegal("the size of an OBU does not end", min(at, len(packet)))
