"""One file through the recognition and the check of its structure, and what must hold of both."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.outputs.codecs.base import Illegal
from reconciler.outputs.codecs.table import check_of
from reconciler.outputs.containers.base import STEP_BYTES, Source, Structure
from reconciler.outputs.inspection import Defect
from reconciler.outputs.sniff import HEAD_BYTES, Format, check_extension, sniff

#: A check may read each byte so many times, and make so many reads for each byte: of headers that
#: overlap, or are looked at by several parts. A loop that does not advance makes far more.
READS_PER_BYTE, TIMES_READ = 8, 64
FREE_READS, FREE_BYTES = 2_000, 4 * 1024**2
#: Processor time of one file that nobody needs for kilobytes: it hangs, or works for nothing.
CPU_S = 10.0
MOST_DEFECTS, MOST_WORDS = 1_000, 2_000
#: In the name of what is no file but packets, and how much of each is worth a change.
PACKETS, HEADER_BYTES = ".packets", 48


class Hang(BaseException):
    """It took more processor time than any file needs."""


class Counting(Source):
    """Counts what is read, and refuses what no check of so small a file needs."""

    def __init__(self, descriptor: int, size: int) -> None:
        super().__init__(descriptor, size)
        self.made: list[tuple[int, int]] = []
        self._bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        self._count(offset, length)
        return super().read(offset, length)

    def steps(self, start: int, end: int, step: int = STEP_BYTES) -> Iterator[bytes]:
        for piece in super().steps(start, end, step):
            self._count(start, len(piece))
            start += len(piece)
            yield piece

    def _count(self, offset: int, length: int) -> None:
        assert length >= 0, f"a read of {length} bytes"
        assert offset >= 0, f"a read at byte {offset}"
        self.made.append((offset, length))
        self._bytes += max(min(length, self.size - offset), 0)
        assert len(self.made) <= FREE_READS + READS_PER_BYTE * self.size, "too many reads"
        assert self._bytes <= FREE_BYTES + TIMES_READ * self.size, "the same bytes too often"


def probe(data: bytes, name: str = "mutant") -> list[tuple[int, int]]:
    """Recognise and check a file, or the packets of a codec, and give where it was read.

    Raises whatever the checks raise, AssertionError, and Hang.
    """
    if PACKETS in name:
        return _probe_packets(data, name.split(PACKETS, maxsplit=1)[0].split("-", maxsplit=1)[0])
    return _probe_file(data, name)


def _probe_file(data: bytes, name: str) -> list[tuple[int, int]]:
    with _held(data) as descriptor, _cpu_limit():
        source = Counting(descriptor, len(data))
        known = sniff(source.head(HEAD_BYTES))
        if not isinstance(known, Format):
            _insist([known] if isinstance(known, Defect) else [])
            return source.made
        check_extension(name, known)
        structure = known.check(source)
    _insist(structure.defects)
    _insist_numbers(structure)
    return source.made


def _probe_packets(data: bytes, codec: str) -> list[tuple[int, int]]:
    """A codec's check sees all packets of a stream, also behind one that is broken."""
    check = check_of(codec)
    assert check is not None, f"no check of {codec}"
    made, at = [], 0
    with _cpu_limit():
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            packet = data[at + 4 : at + 4 + size]
            made.append((at, HEADER_BYTES))
            at += 4 + size
            try:
                shown = check(packet)
            except Illegal as error:
                assert str(error)
                assert 0 <= error.at <= len(packet), f"at byte {error.at} of {len(packet)}"
            else:
                assert shown >= 0
    return made


def _insist(defects: object) -> None:
    assert isinstance(defects, list | tuple)
    assert len(defects) <= MOST_DEFECTS, f"{len(defects)} defects"
    for defect in defects:
        assert isinstance(defect, Defect)
        assert defect.kind and defect.detail
        assert len(defect.detail) <= MOST_WORDS, f"{len(defect.detail)} characters of a detail"
        # It may lie beyond the end: where a file says that something of it is.
        assert defect.offset is None or 0 <= defect.offset < 1 << 64, f"at byte {defect.offset}"
        json.dumps((defect.detail, defect.offset, defect.at_s), allow_nan=False)


def _insist_numbers(structure: Structure) -> None:
    numbers = (
        structure.declared_frames,
        structure.declared_frame_s,
        structure.declared_duration_s,
    )
    for number in numbers:
        assert number is None or 0 <= number < float("inf"), f"declares {number}"


@contextmanager
def _held(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("mutant")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _cpu_limit() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {CPU_S:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
