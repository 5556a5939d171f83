"""Frames of ProRes: SMPTE RDD 36:2015, 5.1 to 5.3.

A frame names its size and holds one picture, or two fields; the sizes in a picture's table of
slices add up to the size of the picture.
"""

from __future__ import annotations

import struct

from reconciler.outputs.codecs.base import Check, Illegal

_FRAME = struct.Struct(">I4sH")
#: Header size in bits, size of the picture, number of slices, log2 of their width.
_PICTURE = struct.Struct(">BIHB")
FLAGS_AT = 20


def check() -> Check:
    """Return a check for the packets of one stream."""
    return _look


def _look(packet: bytes) -> int:
    if len(packet) <= FLAGS_AT:
        raise Illegal(f"a frame of {len(packet)} bytes, too few for its header", 0)
    size, magic, header = _FRAME.unpack_from(packet)
    if magic != b"icpf":
        raise Illegal("a frame without its mark 'icpf'", 4)
    if size > len(packet):
        raise Illegal(f"a frame of {size} bytes in a packet of {len(packet)}", 0)
    at = 8 + header
    for _ in range(2 if packet[FLAGS_AT] >> 2 & 3 else 1):
        at = _picture(packet, at, size)
    return 1


def _picture(packet: bytes, at: int, end: int) -> int:
    if at + _PICTURE.size > end:
        raise Illegal("a picture's header lies behind the end of the frame", min(at, end))
    bits, size, slices, _ = _PICTURE.unpack_from(packet, at)
    table = at + (bits >> 3)
    if at + size > end or table + 2 * slices > at + size:
        raise Illegal(f"a picture of {size} bytes where {end - at} are left", at)
    sizes = struct.unpack_from(f">{slices}H", packet, table)
    room = at + size - table - 2 * slices
    if sum(sizes) != room:
        raise Illegal(f"slices of {sum(sizes)} bytes where the picture has {room}", table)
    return at + int(size)
