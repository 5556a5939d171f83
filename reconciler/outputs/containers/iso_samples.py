"""Sample tables of one mp4 track: ISO/IEC 14496-12, 8.6.1 (times), 8.7.3 to 8.7.5 (places)."""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged

#: Samples times edits that are worked out: five hours at 240 frames per second, one edit.
MAX_EDITED_SAMPLES = 5_000_000


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
    durations: Sequence[tuple[int, ...]]
    offsets: Sequence[tuple[int, ...]]
    #: Offset of each chunk in the file.
    chunks: array[int]
    #: (first chunk, samples per chunk, description), chunks numbered from 1.
    layout: Sequence[tuple[int, ...]]

    @classmethod
    def parse(cls, tables: Mapping[bytes, bytes]) -> SampleTable:
        """Read the boxes inside `stbl`. Raises Damaged where one is missing or contradicts."""
        for kind in (b"stsd", b"stts", b"stsc"):
            if kind not in tables:
                raise Damaged(f"{kind.decode()} box missing: the sample table is not whole")
        uniform, count, sizes = _sizes(tables)
        durations = list(_rows(tables[b"stts"], ">II", "stts"))
        timed = sum(samples for samples, _ in durations)
        if timed != count:
            raise Damaged(f"the sample table has {count} sizes and {timed} times")
        offsets = list(_rows(tables.get(b"ctts", bytes(8)), ">Ii", "ctts"))
        layout = list(_rows(tables[b"stsc"], ">III", "stsc"))
        return cls(count, sizes, uniform, durations, offsets, _chunks(tables), layout)

    def presented(self, edits: Sequence[Edit]) -> int | None:
        """Return how many samples the edit list presents; all, where there is none."""
        if not edits:
            return self.count
        if self.count * len(edits) > MAX_EDITED_SAMPLES:
            return None
        times = list(self._presentation_times())
        ends = [edit.end if edit.end is not None else max(times, default=0) + 1 for edit in edits]
        spans = list(zip((edit.start for edit in edits), ends, strict=True))
        return sum(start <= time < end for start, end in spans for time in times)

    def _presentation_times(self) -> Iterator[int]:
        shifts = (shift for samples, shift in self.offsets for _ in range(samples))
        time = 0
        for samples, ticks in self.durations:
            for _ in range(samples):
                yield time + next(shifts, 0)
                time += ticks

    def insist_inside(self, media: Sequence[tuple[int, int]]) -> None:
        """Raise Damaged where a chunk lies outside the media data, or samples have no chunk.

        `media` holds the spans of the mdat boxes, in the order of the file.
        """
        starts = [start for start, _ in media]
        done = 0
        for number, (offset, samples) in enumerate(self._chunk_runs(), start=1):
            size = self._bytes(done, done + samples)
            nearest = bisect_right(starts, offset) - 1
            if size and (nearest < 0 or offset + size > media[nearest][1]):
                raise Damaged(f"chunk {number} lies outside the media data, at byte {offset}")
            done += samples
        if done != self.count:
            raise Damaged(f"the sample table has {self.count} samples, its chunks {done}")

    def _chunk_runs(self) -> Iterator[tuple[int, int]]:
        rows = iter(self.layout)
        per_chunk, following = 0, next(rows, None)
        for number, offset in enumerate(self.chunks, start=1):
            if following is not None and following[0] == number:
                per_chunk, following = following[1], next(rows, None)
            yield offset, per_chunk

    def _bytes(self, first: int, last: int) -> int:
        if not self.sizes:
            return (last - first) * self.uniform_size
        return sum(self.sizes[first:last])


def _rows(data: bytes, layout: str, name: str) -> Iterator[tuple[int, ...]]:
    """Give the rows of a full box that holds a count and that many rows."""
    row = struct.Struct(layout)
    body = _counted(data, 4, row.size, name)
    return row.iter_unpack(body)


def _counted(data: bytes, at: int, size: int, name: str) -> bytes:
    if len(data) < at + 4:
        raise Damaged(f"{name} box is too short to hold its own count")
    (count,) = struct.unpack_from(">I", data, at)
    body = data[at + 4 : at + 4 + count * size]
    if len(body) < count * size:
        raise Damaged(f"{name} box declares {count} entries and is too short for them")
    return body


def _sizes(tables: Mapping[bytes, bytes]) -> tuple[int, int, array[int]]:
    """Return (size shared by all or 0, number of samples, size of each), 8.7.3."""
    data = tables.get(b"stsz")
    if data is None or len(data) < 12:
        raise Damaged("stsz box missing: the samples have no sizes")
    uniform, count = struct.unpack_from(">II", data, 4)
    if uniform:
        return uniform, count, array("I")
    return 0, count, _numbers("I", _counted(data, 8, 4, "stsz"))


def _chunks(tables: Mapping[bytes, bytes]) -> array[int]:
    if b"co64" in tables:
        return _numbers("Q", _counted(tables[b"co64"], 4, 8, "co64"))
    if b"stco" in tables:
        return _numbers("I", _counted(tables[b"stco"], 4, 4, "stco"))
    raise Damaged("stco box missing: nothing says where the samples lie")


def _numbers(kind: str, data: bytes) -> array[int]:
    """Return big-endian numbers; the formats I and Q are 4 and 8 bytes wherever we run."""
    numbers = array(kind, data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
