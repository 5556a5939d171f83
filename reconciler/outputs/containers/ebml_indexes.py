"""Indexes of Matroska: RFC 9559, 5.1.1 (SeekHead) and 5.1.5 (Cues). Each entry names a place."""

from __future__ import annotations

from collections.abc import Set

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.ebml_blocks import BLOCK_GROUP, SIMPLE_BLOCK
from reconciler.outputs.containers.ebml_elements import Element, children, element, number

SEEK, SEEK_ID, SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
CUE_POINT, CUE_POSITIONS, CUE_CLUSTER, CUE_RELATIVE = 0xBB, 0xB7, 0xF1, 0xF0
#: Entries that are looked up: an index of more is one of key frames only, and has them all alike.
MAX_CUES = 50_000


def insist_seek_head(source: Source, head: Element, base: int) -> None:
    """Raise Damaged where an entry names a place at which that element is not.

    `base` is where the Segment's content begins, from which positions are counted.
    """
    for seek in children(source, head):
        if seek.id != SEEK:
            continue
        fields = {child.id: child for child in children(source, seek)}
        if SEEK_ID not in fields or SEEK_POSITION not in fields:
            continue
        kind = number(source, fields[SEEK_ID])
        place = base + number(source, fields[SEEK_POSITION])
        if place >= source.size or element(source, place).id != kind:
            words = f"the index names element {kind:X} at byte {place}, and it is not there"
            raise Damaged(words, place)


def insist_cues(source: Source, cues: Element, base: int, clusters: Set[int]) -> None:
    """Raise Damaged where a cue names no Cluster, or no block in it.

    `clusters` holds where they begin.
    """
    seen = 0
    for point in children(source, cues):
        if point.id != CUE_POINT:
            continue
        for positions in children(source, point):
            if positions.id != CUE_POSITIONS:
                continue
            fields = {child.id: child for child in children(source, positions)}
            place = base + number(source, fields.get(CUE_CLUSTER))
            if place not in clusters:
                words = f"the index names a Cluster at byte {place}, and none begins there"
                raise Damaged(words, place)
            if CUE_RELATIVE in fields:
                inside = element(source, place).body + number(source, fields[CUE_RELATIVE])
                if element(source, inside).id not in (SIMPLE_BLOCK, BLOCK_GROUP):
                    words = f"the index names a block at byte {inside}, and none begins there"
                    raise Damaged(words, inside)
        seen += 1
        if seen >= MAX_CUES:
            return
