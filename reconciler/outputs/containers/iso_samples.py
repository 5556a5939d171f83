"""Sample tables of one mp4 track: ISO/IEC 14496-12, 8.6.1 (times), 8.7.3 to 8.7.5 (places)."""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise, repeat
from operator import add

from reconciler.outputs.containers.base import Damaged

#: Samples whose times are worked out one by one: five hours at 240 frames per second.
MAX_TIMED_SAMPLES = 5_000_000


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of media that is presented, in ticks of the track; no end = all that follows."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class SampleTable:
    """How many samples a track has, when they are shown, and where their bytes lie."""

    count: int
    #: Bytes of each sample; empty where all have `uniform_size`.
    sizes: array[int]
    uniform_size: int
    #: (samples, ticks) for decoding times, and for the offsets from those to presentation.
    durations: Sequence[tuple[int, int]]
    offsets: Sequence[tuple[int, int]]
    #: Offset of each chunk in the file, and how many samples it has.
    chunks: array[int]
    filling: array[int]

    @classmethod
    def parse(cls, tables: Mapping[bytes, bytes]) -> SampleTable:
        """Read the boxes inside `stbl`. Raises Damaged where one is missing or contradicts."""
        for kind in (b"stsd", b"stts", b"stsc"):
            if kind not in tables:
                raise Damaged(f"{kind.decode()} box missing: the sample table is not whole")
        uniform, count, sizes = _sizes(tables)
        durations = _rows(tables[b"stts"], ">II", "stts")
        timed = sum(samples for samples, _ in durations)
        if timed != count:
            raise Damaged(f"the sample table has {count} sizes and {timed} times")
        offsets = _rows(tables.get(b"ctts", bytes(8)), ">Ii", "ctts")
        shifted = sum(samples for samples, _ in offsets)
        if shifted > count:
            raise Damaged(f"the sample table has {count} samples and {shifted} offsets of times")
        _insist_sync(tables, count)
        chunks = _chunks(tables)
        filling = _filling(tables, len(chunks))
        held = sum(filling)
        if held != count:
            raise Damaged(f"the sample table has {count} samples, its chunks {held}")
        return cls(count, sizes, uniform, durations, offsets, chunks, filling)

    @property
    def ticks(self) -> int:
        """The sum of all durations, in ticks of the track."""
        return sum(samples * ticks for samples, ticks in self.durations)

    def presented(self, edits: Sequence[Edit]) -> int | None:
        """Return how many samples the edit list presents; all, where there is none."""
        if not edits:
            return self.count
        if self.count > MAX_TIMED_SAMPLES:
            return None
        return presented(sorted(self.presentation_times()), edits)

    def presentation_times(self) -> Iterator[int]:
        """Give the time of each sample, in ticks of the track and in the order of decoding."""
        return map(add, _starts(self.durations), chain(_shifts(self.offsets), repeat(0)))

    def extents(self) -> Iterator[tuple[int, int]]:
        """Give the offset of each chunk in the file, and the bytes that its samples need."""
        if self.uniform_size:
            return zip(self.chunks, (n * self.uniform_size for n in self.filling), strict=True)
        ends = array("Q", accumulate(self.sizes, initial=0))
        marks = list(accumulate(self.filling, initial=0))
        lengths = (ends[b] - ends[a] for a, b in pairwise(marks))
        return zip(self.chunks, lengths, strict=True)


def presented(times: Sequence[int], edits: Sequence[Edit]) -> int:
    """Return how many of these times, in rising order, lie in what the edits present."""
    total = 0
    for edit in edits:
        last = len(times) if edit.end is None else bisect_left(times, edit.end)
        total += max(0, last - bisect_left(times, edit.start))
    return total


def _starts(durations: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Give the decoding time of each sample of a table that is known to be consistent."""
    time = 0
    for samples, ticks in durations:
        yield from range(time, time + samples * ticks, ticks) if ticks else repeat(time, samples)
        time += samples * ticks


def _shifts(offsets: Iterable[tuple[int, int]]) -> Iterator[int]:
    for samples, shift in offsets:
        yield from repeat(shift, samples)


def _rows(data: bytes, layout: str, name: str) -> list[tuple[int, int]]:
    """Return the rows of a full box that holds a count and that many rows of two numbers."""
    row = struct.Struct(layout)
    return list(row.iter_unpack(counted(data, 4, row.size, name)))


def counted(data: bytes, at: int, size: int, name: str) -> bytes:
    """Return the rows behind a count at `at`. Raises Damaged where the box is too short for it."""
    if len(data) < at + 4:
        raise Damaged(f"{name} box is too short to hold its own count")
    (count,) = struct.unpack_from(">I", data, at)
    if len(data) - at - 4 < count * size:
        raise Damaged(f"{name} box declares {count} entries and is too short for them")
    return data[at + 4 : at + 4 + count * size]


def _sizes(tables: Mapping[bytes, bytes]) -> tuple[int, int, array[int]]:
    """Return (size shared by all or 0, number of samples, size of each), 8.7.3."""
    if b"stz2" in tables:
        return _compact_sizes(tables[b"stz2"])
    data = tables.get(b"stsz")
    if data is None or len(data) < 12:
        raise Damaged("stsz box missing: the samples have no sizes")
    uniform, count = struct.unpack_from(">II", data, 4)
    if uniform:
        return uniform, count, array("I")
    return 0, count, numbers("I", counted(data, 8, 4, "stsz"))


def _compact_sizes(data: bytes) -> tuple[int, int, array[int]]:
    """Read sizes of 4, 8 or 16 bits (8.7.3.3)."""
    if len(data) < 12 or data[7] not in (4, 8, 16):
        raise Damaged("stz2 box has sizes of no bits that are allowed")
    (count,) = struct.unpack_from(">I", data, 8)
    if data[7] == 4:
        packed = data[12 : 12 + (count + 1) // 2]
        sizes = array("I", chain.from_iterable((byte >> 4, byte & 15) for byte in packed))[:count]
    else:
        width = data[7] // 8
        packed = data[12 : 12 + count * width]
        sizes = array("I", numbers("BH"[width - 1], packed[: len(packed) // width * width]))
    if len(sizes) < count:
        raise Damaged(f"stz2 box declares {count} entries and is too short for them")
    return 0, count, sizes


def _chunks(tables: Mapping[bytes, bytes]) -> array[int]:
    if b"co64" in tables:
        return numbers("Q", counted(tables[b"co64"], 4, 8, "co64"))
    if b"stco" in tables:
        return numbers("I", counted(tables[b"stco"], 4, 4, "stco"))
    raise Damaged("stco box missing: nothing says where the samples lie")


def _filling(tables: Mapping[bytes, bytes], chunks: int) -> array[int]:
    """Return the samples of each chunk, from rows of (first chunk, samples, description)."""
    rows = list(struct.Struct(">III").iter_unpack(counted(tables[b"stsc"], 4, 12, "stsc")))
    descriptions = int.from_bytes(tables[b"stsd"][4:8], "big")
    filling = array("I")
    if not chunks:
        return filling
    if not rows or rows[0][0] != 1:
        raise Damaged("stsc box does not begin with the first chunk")
    following_rows = (*(row[0] for row in rows[1:]), max(chunks, rows[-1][0]) + 1)
    for (first, samples, description), following in zip(rows, following_rows, strict=True):
        if following <= first:
            raise Damaged(f"stsc box has chunk {following} after chunk {first}")
        if not 1 <= description <= descriptions:
            raise Damaged(f"stsc box names description {description} of {descriptions}")
        filling.extend(array("I", [samples]) * min(following - first, chunks - len(filling)))
    return filling


def _insist_sync(tables: Mapping[bytes, bytes], count: int) -> None:
    """Raise Damaged where the list of key frames names a sample that is not there (8.6.2)."""
    keys = numbers("I", counted(tables.get(b"stss", bytes(8)), 4, 4, "stss"))
    for key, following in zip(keys, chain(keys[1:], (count + 1,)), strict=False):
        if not 0 < key < following:
            raise Damaged(f"stss box names key frame {key} before {following}, of {count} samples")


def numbers(kind: str, data: bytes) -> array[int]:
    """Return big-endian numbers; the formats I and Q are 4 and 8 bytes wherever we run."""
    found = array(kind, data)
    if sys.byteorder == "little":
        found.byteswap()
    return found
