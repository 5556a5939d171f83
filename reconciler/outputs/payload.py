"""The coded pictures of a file, checked one by one while they are decoded elsewhere.

ffmpeg's `data` muxer gives the bytes of all packets through one pipe and framecrc their sizes
through another, the same for every container. What came first waits for the other, within bounds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from reconciler.outputs.codecs.base import Check, Illegal
from reconciler.outputs.codecs.table import check_of
from reconciler.outputs.inspection import Defect

#: Bytes that may wait for their sizes, and sizes for their bytes.
MAX_WAITING_BYTES = 64 * 1024**2
MAX_WAITING_SIZES = 100_000
HEAD_BYTES = 64


@dataclass(frozen=True, slots=True)
class Fault:
    """The first packet that breaks a rule of its codec."""

    number: int
    words: str
    at: int
    time_s: float | None
    #: Its first bytes, by which its place in the file can be found.
    head: bytes


@dataclass(frozen=True, slots=True)
class _Told:
    """What framecrc tells of a packet."""

    size: int
    time_s: float | None
    presented: bool


class Payload:
    """A sink for the bytes of the picture's packets."""

    def __init__(self, setup: bytes = b"") -> None:
        """`setup` is what the container tells the decoder beforehand (`Structure.setup`)."""
        self._setup = setup
        self.fault: Fault | None = None
        self.faults = 0
        #: Packets so far that are presented and show no picture; None where no check could tell.
        self.hidden: int | None = None
        self._check: Check | None = None
        self._sizes: deque[_Told] = deque()
        self._bytes = bytearray()
        self._number = 0
        self._on = True

    def begin(self, codec: str | None) -> None:
        """Learn the codec, before the first size is told."""
        self._check = check_of(codec, self._setup)
        self._on = self._on and self._check is not None  # what was dropped does not come back
        self.hidden = 0 if self._on else None
        self._bytes = self._bytes if self._on else bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of packets."""
        if self._on:
            self._bytes += data
            self._work()

    def expect(self, size: int, time_s: float | None, presented: bool) -> None:
        """Learn the size of the next packet, its time, and whether it is not cut away."""
        if self._on:
            self._sizes.append(_Told(size, time_s, presented))
            self._work()

    def _work(self) -> None:
        while self._sizes and len(self._bytes) >= self._sizes[0].size:
            told = self._sizes.popleft()
            packet = bytes(self._bytes[: told.size])
            del self._bytes[: told.size]
            self._look(packet, told)
        if len(self._bytes) > MAX_WAITING_BYTES or len(self._sizes) > MAX_WAITING_SIZES:
            self._on, self.hidden = False, None
            self._bytes.clear()
            self._sizes.clear()

    def _look(self, packet: bytes, told: _Told) -> None:
        self._number += 1
        if self._check is None or self.hidden is None:
            return
        try:
            shown = self._check(packet)
        except Illegal as error:
            self.faults += 1
            head = packet[:HEAD_BYTES]
            fault = Fault(self._number, str(error), error.at, told.time_s, head)
            self.fault = self.fault or fault
            shown = 1
        self.hidden += told.presented and not shown

    def defects(self, start: int | None) -> tuple[Defect, ...]:
        """Return the defect that was found; `start` is the byte at which its packet begins."""
        fault = self.fault
        if fault is None:
            return ()
        more = f"; and {self.faults - 1} more packets" if self.faults > 1 else ""
        words = f"packet {fault.number} of the picture, byte {fault.at}: {fault.words}{more}"
        offset = None if start is None else start + fault.at
        return (Defect("structure", words, offset=offset, at_s=fault.time_s),)
