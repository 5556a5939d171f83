"""The packets of a transport stream, and the PES packets in them: ISO/IEC 13818-1, 2.4.3."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from reconciler.outputs.containers.mpegts_tables import SERVICES_PID, Tables
from reconciler.outputs.inspection import Defect

TRANSPORT_ERROR, UNIT_START, ADAPTATION, PAYLOAD = 0x800000, 0x400000, 0x20, 0x10
SCRAMBLED = 0xC0
NULL_PID = 0x1FFF
#: Ticks of a time stamp per second; the stamps have 33 bits and begin again after 26 hours.
CLOCK_HZ, CLOCK_SPAN = 90_000, 1 << 33
#: A jump of time that no pause explains.
HOURS_S = 3000
#: Streams without the usual header (2.4.3.7): maps, padding, private_2, ECM, EMM, directory, DSMCC.
BARE_STREAMS = {0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xFF, 0xF2, 0xF8}


@dataclass(slots=True)
class Stream:
    """What is known of one PID while it is walked."""

    counter: int
    #: Byte at which the PES packet that is being read began, its length and what came of it.
    start: int = 0
    wanted: int = 0
    got: int = 0
    #: Its last time stamp in ticks.
    stamp: int | None = None
    repeated: bool = False


@dataclass(slots=True)
class Found:
    """How often something was wrong, and where first."""

    count: int = 0
    first: int = 0
    words: str = ""

    def add(self, offset: int, words: str) -> None:
        self.count += 1
        if self.count == 1:
            self.first, self.words = offset, words

    def defects(self) -> tuple[Defect, ...]:
        if not self.count:
            return ()
        more = f"; and {self.count - 1} more" if self.count > 1 else ""
        return (Defect("structure", self.words + more, offset=self.first),)


@dataclass(slots=True)
class Walk:
    """Takes the packets of a stream in their order."""

    tables: Tables = field(default_factory=Tables)
    streams: dict[int, Stream] = field(default_factory=dict)
    errors: Found = field(default_factory=Found)
    gaps: Found = field(default_factory=Found)
    short: Found = field(default_factory=Found)
    jumps: Found = field(default_factory=Found)
    #: PES packets with a time stamp.
    units: int = 0

    def take(self, block: bytes, at: int, stride: int, offset: int) -> None:
        """Take the packets of a block that begins at `offset`; those without sync are passed."""
        streams = self.streams
        layout = struct.Struct(f">{at}xI{stride - at - 4}x")
        for number, (word,) in enumerate(layout.iter_unpack(block)):
            if word >> 24 != 0x47:
                continue
            pid = word >> 8 & 0x1FFF
            stream = streams.get(pid)
            if (
                stream is not None
                and word & 0xC000F0 == PAYLOAD  # a payload, and nothing else
                and (stream.counter + 1) & 15 == word & 15
                and not self.tables.holds(pid)
            ):
                stream.counter = word & 15
                stream.got += 184
                stream.repeated = False
            elif pid != NULL_PID:
                begin = number * stride + at
                self._packet(word, block[begin : begin + 188], offset + begin)

    def _packet(self, word: int, packet: bytes, offset: int) -> None:
        if word & TRANSPORT_ERROR:
            self.errors.add(offset, f"packet at byte {offset} is marked as faulty")
            return
        pid, counter = word >> 8 & 0x1FFF, word & 15
        body, broken = 4, False
        if word & ADAPTATION:
            body = 5 + packet[4]
            broken = packet[4] > 0 and bool(packet[5] & 0x80)
            if packet[4] > (182 if word & PAYLOAD else 183):
                self.errors.add(offset, f"packet at byte {offset} has an impossible header")
                return
        stream = self.streams.get(pid)
        if stream is None:
            stream = self.streams[pid] = Stream(counter)
            broken = True
        if broken:  # the first of its kind, or one that declares a discontinuity
            stream.counter = (counter - 1) & 15 if word & PAYLOAD else counter
            stream.stamp, stream.wanted, stream.repeated = None, 0, False
        if word & PAYLOAD and self._continues(stream, word, offset):
            self._payload(stream, word, packet[body:], offset)

    def _continues(self, stream: Stream, word: int, offset: int) -> bool:
        """Check the counter of a packet with payload; False where it is a duplicate."""
        pid, counter = word >> 8 & 0x1FFF, word & 15
        expected = (stream.counter + 1) & 15
        if counter == stream.counter and not stream.repeated:
            stream.repeated = True
            return False
        if counter != expected:
            if counter == 0 and pid in (0, SERVICES_PID):
                self._restart()
            else:
                words = f"packets missing before byte {offset}: counter {counter} of PID {pid}"
                self.gaps.add(offset, f"{words} should be {expected}")
                stream.wanted = 0
        stream.counter, stream.repeated = counter, False
        return True

    def _restart(self) -> None:
        """Several streams one after another in one file: each begins to count anew."""
        for stream in self.streams.values():
            self._close(stream)
        self.streams.clear()

    def _payload(self, stream: Stream, word: int, payload: bytes, offset: int) -> None:
        pid = word >> 8 & 0x1FFF
        begins = bool(word & UNIT_START)
        if self.tables.holds(pid):
            self.tables.take(pid, payload, begins, offset)
            return
        if begins:
            self._close(stream)
            stream.start, stream.got = offset, 0
            if not word & SCRAMBLED:
                self._header(stream, payload, offset)
        stream.got += len(payload)

    def _close(self, stream: Stream) -> None:
        if stream.got < stream.wanted:
            have = f"{stream.got} of {stream.wanted} bytes"
            words = f"PES packet at byte {stream.start} cut off: {have}"
            self.short.add(stream.start, words)
        stream.wanted = 0

    def _header(self, stream: Stream, payload: bytes, offset: int) -> None:
        """Read length and time stamp at the start of a PES packet."""
        if len(payload) < 9 or payload[:3] != b"\0\0\x01":
            return
        length = int.from_bytes(payload[4:6], "big")
        stream.wanted = length + 6 if length else 0
        if payload[3] in BARE_STREAMS or payload[7] & 0x80 == 0 or len(payload) < 14:
            return
        at = 14 if payload[7] & 0x40 and len(payload) >= 19 else 9  # decoding time, if there
        stamp = _stamp(payload[at : at + 5])
        self.units += 1
        if stream.stamp is not None and _is_jump(stream.stamp, stamp):
            stamps = [other.stamp for other in self.streams.values() if other.stamp is not None]
            if all(_is_jump(before, stamp) for before in stamps):  # else another stream went on
                hours = _apart(stream.stamp, stamp) / CLOCK_HZ / 3600
                self.jumps.add(offset, f"time jumps by {hours:+.1f} hours at byte {offset}")
        stream.stamp = stamp

    def finish(self) -> None:
        """Close the PES packets that the end of the file closes."""
        for stream in self.streams.values():
            self._close(stream)

    @property
    def has_video(self) -> bool:
        """Whether a table names a video stream; True where there is no table."""
        return self.tables.video is not False

    def defects(self) -> tuple[Defect, ...]:
        """Return what was found, one defect for each kind."""
        regular = 2 * self.jumps.count >= self.units  # one picture an hour, all along
        kinds = (self.errors, self.gaps, self.short, Found() if regular else self.jumps)
        found = tuple(defect for kind in kinds for defect in kind.defects())
        return (*found, *self.tables.defects())


def _apart(before: int, after: int) -> int:
    """Return the ticks from one stamp to another, the shorter way round."""
    return (after - before + CLOCK_SPAN // 2) % CLOCK_SPAN - CLOCK_SPAN // 2


def _is_jump(before: int, after: int) -> bool:
    return abs(_apart(before, after)) >= HOURS_S * CLOCK_HZ


def _stamp(data: bytes) -> int:
    """Put together the 33 bits of a time stamp (2.4.3.7)."""
    high = data[0] >> 1 & 7
    middle = int.from_bytes(data[1:3], "big") >> 1
    low = int.from_bytes(data[3:5], "big") >> 1
    return high << 30 | middle << 15 | low
