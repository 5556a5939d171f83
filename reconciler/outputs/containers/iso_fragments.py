"""Movie fragments: ISO/IEC 14496-12, 8.8 (moof, traf, tfhd, trun, tfdt, mfra) and 8.16.3 (sidx).

Checked: every run of samples lies in media data, fragments and their times come in order, none is
missing between two, and the indexes point at fragments that are there.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.outputs.containers.base import Damaged, Source
from reconciler.outputs.containers.iso_boxes import Box, children, inside, need
from reconciler.outputs.containers.iso_samples import numbers

MAX_MOOF_BYTES = 16 * 1024**2
MAX_RUN_SAMPLES = 1_000_000
#: Flags of tfhd (8.8.7): what it holds, in this order; and one that moves the base.
TFHD_FIELDS = ((0x1, 8), (0x2, 4), (0x8, 4), (0x10, 4), (0x20, 4))
BASE_IS_MOOF = 0x20000
#: Flags of trun (8.8.8): an offset, the first sample's flags, then columns of each sample.
DATA_OFFSET, FIRST_FLAGS = 0x1, 0x4
DURATION, SIZE, FLAGS, SHIFT = 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a sample of a fragment is where its run does not say."""

    duration: int = 0
    size: int = 0


@dataclass(slots=True)
class Fragments:
    """The samples of one track that lie in fragments."""

    count: int = 0
    #: A sample that lasts so many ticks or more is a jump of time, and how many do.
    jump_ticks: float = float("inf")
    jumps: int = 0
    #: Where each run lies, as (offset, bytes).
    extents: list[tuple[int, int]] = field(default_factory=list)
    #: Decoding time at which the next fragment is due, in ticks of the track.
    due: int = 0
    #: Stretches of time without a break, as (first tick, last tick).
    stretches: list[tuple[int, int]] = field(default_factory=list)
    #: Decoding time at which the last fragment began.
    started: int | None = None


@dataclass(slots=True)
class Run:
    """One trun box, read."""

    sizes: Sequence[int]
    durations: Sequence[int]
    offset: int | None


def read_defaults(source: Source, moov: dict[bytes, Box]) -> dict[int, Defaults]:
    """Read the trex boxes (8.8.3): defaults by track."""
    found: dict[int, Defaults] = {}
    if b"mvex" in moov:
        for box in children(source, moov[b"mvex"].body, moov[b"mvex"].end):
            if box.type == b"trex":
                track, _, duration, size = struct.unpack(">IIII", source.read(box.body + 4, 16))
                found[track] = Defaults(duration, size)
    return found


class Reader:
    """Reads one moof box after the other, in the order of the file."""

    def __init__(
        self, source: Source, tracks: dict[int, Fragments], known: dict[int, Defaults]
    ) -> None:
        self.source, self.tracks, self.known = source, tracks, known
        self.sequence: int | None = None

    def take(self, moof: Box) -> None:
        """Read one fragment. Raises Damaged where it contradicts itself or the one before."""
        if moof.end - moof.body > MAX_MOOF_BYTES:
            raise Damaged(f"moof box of {moof.end - moof.body} bytes, more than any needs")
        moof.read(self.source)  # all of it at once; what is read below comes out of that
        skipped = self._sequence(moof)
        reach = moof.start
        for box in children(self.source, moof.body, moof.end):
            if box.type == b"traf":
                reach = self._track(box, moof, reach, skipped)

    def _sequence(self, moof: Box) -> bool:
        """Return whether numbers were skipped. Raises Damaged where they do not rise (8.8.5)."""
        header = need(inside(self.source, moof), b"mfhd", moof)
        (number,) = struct.unpack(">I", self.source.read(header.body + 4, 4))
        before, self.sequence = self.sequence, number
        if before is not None and number == before:
            raise Damaged(f"fragment {number} is there twice, at byte {moof.start}", moof.start)
        return before is not None and number > before + 1

    def _track(self, traf: Box, moof: Box, reach: int, skipped: bool) -> int:
        """Read one track fragment, and return the byte at which the data of the next begins."""
        found = inside(self.source, traf)
        header = need(found, b"tfhd", traf)
        flags, track = struct.unpack(">II", self.source.read(header.body, 8))
        fields = self._header(header, flags)
        base = fields.get(0x1, moof.start if flags & BASE_IS_MOOF else reach)
        known = self.known.get(track, Defaults())
        defaults = Defaults(fields.get(0x8, known.duration), fields.get(0x10, known.size))
        into = self.tracks.setdefault(track, Fragments())
        self._time(found.get(b"tfdt"), into, moof, skipped)
        place = base
        for box in children(self.source, traf.body, traf.end):
            if box.type == b"trun":
                run = self._run(box, defaults)
                place = base + run.offset if run.offset is not None else place
                place += _store(run, into, place)
        return place

    def _header(self, header: Box, flags: int) -> dict[int, int]:
        fields, at = {}, header.body + 8
        for flag, size in TFHD_FIELDS:
            if flags & flag:
                fields[flag] = int.from_bytes(self.source.read(at, size), "big")
                at += size
        return fields

    def _time(self, tfdt: Box | None, into: Fragments, moof: Box, skipped: bool) -> None:
        """Take the time at which a fragment begins (8.8.12) and compare it with the one before."""
        if tfdt is None:
            return
        wide = self.source.read(tfdt.body, 1)[0] == 1
        at = int.from_bytes(self.source.read(tfdt.body + 4, 8 if wide else 4), "big")
        if into.started is not None:
            lasted = into.due - into.started
            if at < into.started:
                words = f"the fragment at byte {moof.start} begins before the one that it follows"
                raise Damaged(words, moof.start)
            if skipped and at - into.due > lasted // 2:
                raise Damaged(f"fragments missing before byte {moof.start}", moof.start)
        into.started = into.due = at

    def _run(self, box: Box, defaults: Defaults) -> Run:
        data = box.read(self.source)
        if len(data) < 8:
            raise Damaged(f"trun box at byte {box.start} is too short", box.start)
        version_flags, count = struct.unpack_from(">II", data)
        at, offset = 8, None
        if version_flags & DATA_OFFSET:
            (offset,) = struct.unpack_from(">i", data.ljust(12, b"\0"), at)
            at += 4
        at += 4 if version_flags & FIRST_FLAGS else 0
        columns = [flag for flag in (DURATION, SIZE, FLAGS, SHIFT) if version_flags & flag]
        width = len(columns)
        if count * width * 4 > max(0, len(data) - at) or count > MAX_RUN_SAMPLES:
            words = f"trun box at byte {box.start} declares {count} samples and is too short"
            raise Damaged(words, box.start)
        table = numbers("I", data[at : at + count * width * 4])
        column = {flag: table[number::width] for number, flag in enumerate(columns)}
        return Run(
            column.get(SIZE, _same(defaults.size, count)),
            column.get(DURATION, _same(defaults.duration, count)),
            offset,
        )


def _same(value: int, count: int) -> Sequence[int]:
    return array("I", [value]) * count


def _store(run: Run, into: Fragments, place: int) -> int:
    size, start = sum(run.sizes), into.due
    into.count += len(run.sizes)
    into.extents.append((place, size))
    into.due += sum(run.durations)
    if max(run.durations, default=0) < into.jump_ticks:
        _stretch(into, start, into.due)
        return size
    for ticks in run.durations:
        _stretch(into, start, start + (0 if ticks >= into.jump_ticks else ticks))
        into.jumps += ticks >= into.jump_ticks
        start += ticks
    return size


def _stretch(into: Fragments, start: int, stop: int) -> None:
    if into.stretches and into.stretches[-1][1] == start:
        into.stretches[-1] = (into.stretches[-1][0], stop)
    else:
        into.stretches.append((start, stop))
