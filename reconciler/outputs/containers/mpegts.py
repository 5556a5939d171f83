"""MPEG transport streams: ISO/IEC 13818-1 (ITU-T H.222.0), packets of 188, 192 or 204 bytes.

Checked: a sync byte at each packet (2.4.3.2), no packet with a transport error, continuity
counters without gaps (2.4.3.3: duplicates and declared discontinuities are legal), the checksums
of the tables that name programs and streams (2.4.4), PES packets as long as they say (2.4.3.7),
and no time stamp that jumps by hours.
"""

from __future__ import annotations

from reconciler.outputs.containers.base import Source, Structure
from reconciler.outputs.containers.mpegts_packets import Walk
from reconciler.outputs.inspection import Defect

SYNC = 0x47
#: Packet lengths in files: plain, with a time of arrival before each (m2ts), with a parity behind.
STRIDES = ((188, 0), (192, 4), (204, 0))
PACKETS_PER_STEP = 4096
#: Packets without a sync byte, one after another, after which nothing is in step any more.
OUT_OF_STEP = 64


def packet_bytes(head: bytes) -> tuple[int, int] | None:
    """Return (length of a packet, place of its sync byte), or None where `head` is no stream."""
    for stride, at in STRIDES:
        if head[at : at + 2 * stride + 1 : stride] == b"GGG":
            return stride, at
    return None


def check(source: Source) -> Structure:
    """Check the packets of a file from end to end."""
    stride, at = packet_bytes(source.head(1024)) or STRIDES[0]
    walk, sync = Walk(), _Sync()
    start, packets = 0, source.size // stride
    while start < packets and sync.lost < OUT_OF_STEP:
        count = min(PACKETS_PER_STEP, packets - start)
        offset = start * stride
        block = b"".join(source.steps(offset, offset + count * stride))
        marks = block[at::stride]
        if marks.count(SYNC) < count:
            sync.take(marks, offset, stride)
        walk.take(block, at, stride, offset)
        start += count
    rest = source.size % stride
    if rest:
        words = f"cut off: {rest} of {stride} bytes of the last packet"
        sync.defects.append(Defect("structure", words, offset=source.size - rest))
    walk.finish()
    return Structure((*sync.found(), *walk.defects()), has_video=walk.has_video)


class _Sync:
    """Counts the packets that do not begin with a sync byte."""

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self.missing = 0
        #: How many of the last packets in a row had none.
        self.lost = 0
        self._first: int | None = None

    def take(self, marks: bytes, offset: int, stride: int) -> None:
        for number, mark in enumerate(marks):
            self.lost = 0 if mark == SYNC else self.lost + 1
            if mark != SYNC:
                self.missing += 1
                self._first = offset + number * stride if self._first is None else self._first
            if self.lost >= OUT_OF_STEP:
                return

    def found(self) -> tuple[Defect, ...]:
        if self._first is None:
            return tuple(self.defects)
        words = f"{self.missing} packets without their sync byte, the first at byte {self._first}"
        if self.lost >= OUT_OF_STEP:
            words = f"packets out of step by byte {self._first}: something is missing before it"
        return (Defect("structure", words, offset=self._first), *self.defects)
