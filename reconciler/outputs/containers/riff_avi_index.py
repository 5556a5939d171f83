"""Indexes of an AVI: Microsoft, "AVI RIFF File Reference" (idx1); OpenDML 1.02, 3.0 (ix##)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.riff import Chunk

#: Entries of 16 bytes; beyond that is no index of a file that plays.
MAX_INDEX_BYTES = 128 * 1024**2
#: An entry that names a list of chunks, and one that takes no time (a palette).
LIST_FLAG = 0x1
#: Of a standard index: bytes of its header, and the bit of a size that says "no key frame".
HEADER_BYTES, DELTA_FLAG = 24, 0x80000000
CHUNKS_INDEX = 1

Chunks = Mapping[int, tuple[bytes, int]]


def insist_index(source: Source, index: Chunk, movi: Chunk, found: Chunks) -> None:
    """Raise Damaged where an entry of idx1 names a chunk that is not there, or of another size.

    Offsets count from the name of the `movi` list, or, as some writers have it, from the start of
    the file; the first entry tells which. `found` maps offsets to names and sizes.
    """
    if index.end - index.body > MAX_INDEX_BYTES:
        raise Damaged(f"idx1 chunk of {index.end - index.body} bytes", index.body)
    data = source.read(index.body, (index.end - index.body) // 16 * 16)
    entries = [e for e in struct.iter_unpack("<4sIII", data) if not e[1] & LIST_FLAG]
    if not entries:
        return
    base = next((b for b in (movi.body, 0) if entries[0][2] + b in found), movi.body)
    for number, (name, _, offset, size) in enumerate(entries):
        if found.get(base + offset) != (name, size):
            words = f"entry {number} of the index names a chunk at byte {base + offset}"
            raise Damaged(f"{words} that is not there", base + offset)


def insist_standard_index(source: Source, index: Chunk, found: Chunks) -> None:
    """Raise Damaged where an entry of an ix## chunk names a chunk that is not there."""
    if index.end - index.body < HEADER_BYTES or index.end - index.body > MAX_INDEX_BYTES:
        raise Damaged(f"index of {index.end - index.body} bytes at byte {index.body}", index.body)
    words_each, _, kind, count, _, base = struct.unpack(
        "<HBBI4sQ", source.read(index.body, HEADER_BYTES - 4)
    )
    if kind != CHUNKS_INDEX or words_each != 2:
        return  # an index of fields, or of indexes
    if HEADER_BYTES + 8 * count > index.end - index.body:
        raise Damaged(f"index at byte {index.body} is too short for {count} entries", index.body)
    data = source.read(index.body + HEADER_BYTES, 8 * count)
    for offset, size in struct.iter_unpack("<II", data):
        place = base + offset - 8
        if place not in found or found[place][1] != size & ~DELTA_FLAG:
            words = f"the index names a chunk at byte {place} that is not there"
            raise Damaged(words, place)
