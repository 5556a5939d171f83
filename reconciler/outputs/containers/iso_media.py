"""Where the samples of an mp4 lie in its media data, and when: ISO/IEC 14496-12, 8.1.1 and 8.7.

Sources of the limits: every writer puts a sample into an mdat box, and no two samples that differ
into the same bytes. Bytes that belong to no sample are legal; libavformat leaves none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.iso_boxes import Box
from reconciler.outputs.inspection import Defect

#: Boxes inside an mdat, where a writer has wrapped its fragments to make one movie of them.
WRAPPED = {b"ftyp", b"moof", b"mdat", b"sidx", b"styp", b"free", b"moov"}

Extent = tuple[int, int]


def insist_inside(extents: Iterable[Extent], media: Sequence[Box], what: str = "chunk") -> None:
    """Raise Damaged where an extent (offset, bytes) lies outside the media data.

    `media` holds the mdat boxes in the order of the file.
    """
    starts = [box.body for box in media]
    ends = [box.end for box in media]
    for number, (offset, size) in enumerate(extents, start=1):
        nearest = bisect_right(starts, offset) - 1
        if size and (nearest < 0 or offset + size > ends[nearest]):
            at = offset if 0 <= offset <= max(ends, default=0) else None  # else beyond the file
            raise Damaged(f"{what} {number} lies outside the media data, at byte {offset}", at)


def insist_apart(extents: list[Extent]) -> None:
    """Raise Damaged where two extents of the file share some of their bytes, but not all."""
    extents.sort()
    last, reach = (0, 0), 0
    for extent in extents:
        offset, size = extent
        if size and offset < reach and extent != last:
            raise Damaged(f"two chunks share the bytes at byte {offset}", offset)
        if size:
            last, reach = extent, max(reach, offset + size)


def holes(source: Source, extents: Sequence[Extent], media: Sequence[Box]) -> tuple[Defect, ...]:
    """Return a defect where bytes of media data belong to no sample; `extents` are sorted."""
    lost, first = 0, 0
    for start, size in gaps(extents, media):
        if size >= 8 and source.read(start + 4, 4) in WRAPPED:
            continue
        first = first if lost else start
        lost += size
    if not lost:
        return ()
    words = f"{lost} bytes of media data belong to no sample, the first at byte {first}"
    return (Defect("structure", words, offset=first),)


def gaps(extents: Sequence[Extent], media: Sequence[Box]) -> list[Extent]:
    """Return what of the media data no extent covers, as (offset, bytes)."""
    found, at, number = [], 0, 0
    for box in media:
        at = box.body
        while number < len(extents) and extents[number][0] < box.end:
            offset, size = extents[number]
            number += 1
            if offset < box.body:
                continue
            if offset > at and size:
                found.append((at, offset - at))
            at = max(at, offset + size)
        if at < box.end:
            found.append((at, box.end - at))
    return found
