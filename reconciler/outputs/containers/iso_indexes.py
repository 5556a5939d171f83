"""Indexes of a fragmented mp4: ISO/IEC 14496-12, 8.8.9 to 8.8.11 (mfra) and 8.16.3 (sidx).

Both name places at which fragments begin. One that names a place beyond the end of the file, or
one where no fragment is, tells that something was cut off or is missing.
"""

from __future__ import annotations

import struct

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.iso_boxes import Box, children
from reconciler.outputs.containers.iso_samples import counted

MAX_INDEX_BYTES = 16 * 1024**2


def insist_random_access(source: Source, mfra: Box, moofs: set[int]) -> None:
    """Raise Damaged where an entry of a tfra box names a place without a fragment (8.8.10)."""
    _bounded(mfra)
    for box in children(source, mfra.body, mfra.end):
        if box.type != b"tfra":
            continue
        data = box.read(source)
        if len(data) < 16:
            raise Damaged(f"tfra box at byte {box.start} is too short", box.start)
        lengths = data[11]
        numbers = 3 + (lengths >> 4 & 3) + (lengths >> 2 & 3) + (lengths & 3)
        layout = struct.Struct(f">8xQ{numbers}x" if data[0] == 1 else f">4xI{numbers}x")
        for (place,) in layout.iter_unpack(counted(data, 12, layout.size, "tfra")):
            if place not in moofs:
                words = f"the index names a fragment at byte {place}, and none begins there"
                raise Damaged(words, place)


def insist_segments(source: Source, sidx: Box, boxes: set[int]) -> None:
    """Raise Damaged where a reference of a sidx box ends in the middle of a box (8.16.3).

    `boxes` holds where the boxes of the top level begin, and where the file ends.
    """
    _bounded(sidx)
    data = sidx.read(source)
    wide = data[:1] == b"\1"
    at = 28 if wide else 20
    if len(data) < at + 4:
        raise Damaged(f"sidx box at byte {sidx.start} is too short", sidx.start)
    (first,) = struct.unpack_from(">Q" if wide else ">I", data, at - (8 if wide else 4))
    (count,) = struct.unpack_from(">H", data, at + 2)
    rows = data[at + 4 : at + 4 + 12 * count]
    if len(rows) < 12 * count:
        raise Damaged(f"sidx box declares {count} entries and is too short for them", sidx.start)
    place = sidx.end + first
    for kind_size, _, _ in struct.iter_unpack(">III", rows):
        begin, place = place, place + (kind_size & 0x7FFFFFFF)
        if place > source.size:
            words = f"cut off: the index promises {place} bytes, the file has {source.size}"
            raise Damaged(words, source.size)
        if begin not in boxes or place not in boxes:
            words = f"the index names a segment at byte {begin}, and none of that size is there"
            raise Damaged(words, begin)


def _bounded(box: Box) -> None:
    if box.end - box.body > MAX_INDEX_BYTES:
        words = f"{box.name} box of {box.end - box.body} bytes, more than any index needs"
        raise Damaged(words, box.start)
