"""The packets of a file, as ffmpeg's framecrc muxer lists them while they are decoded elsewhere.

One line per packet, all of it numbers: nothing that a file's metadata says can appear in it. That
is why counts, times, codec and size are taken from here and not from what ffmpeg prints.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

from reconciler.outputs.payload import Payload

NO_TIME = -(1 << 63)
#: AV_PKT_FLAG_DISCARD: decoded for the sake of others, and cut away by the edit list.
DISCARD_FLAG = 0x4


@dataclass(slots=True)
class PacketList:
    """Reads the lines of framecrc and keeps sums, however long the file is."""

    #: What checks the bytes of the picture's packets, whose sizes are told here.
    payload: Payload = field(default_factory=Payload)
    presented: int = 0
    #: Streams of sound.
    sounds: int = 0
    first: int | None = None
    #: Last end of a packet, in ticks.
    last: int | None = None
    #: Durations of all packets, in ticks, and whether some packet has no time.
    ticks: int = 0
    timeless: bool = False
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    tick_s: Fraction | None = None
    _stream: bytes | None = None
    _header: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)

    def take(self, line: bytes) -> None:
        """Read one line: a header (`#codec_id 0: h264`) or a packet."""
        if line.startswith(b"#"):
            name, _, value = line[1:].partition(b": ")
            key, _, stream = name.partition(b" ")
            self._header.setdefault(stream, {})[key] = value
            return
        if self._stream is None:
            self._choose_stream()
        fields = [part.strip() for part in line.split(b",")]
        if len(fields) >= 6 and fields[0] == self._stream:
            self._count(fields)

    def _choose_stream(self) -> None:
        """Pick the picture's stream, or the first sound where there is no picture."""
        by_media = {header.get(b"media_type"): name for name, header in self._header.items()}
        self._stream = by_media.get(b"video", b"0")
        header = self._header.get(self._stream, {})
        self.sounds = Counter(each.get(b"media_type") for each in self._header.values())[b"audio"]
        self.codec = header[b"codec_id"].decode("ascii", "replace") if header else None
        self.tick_s = Fraction(header.get(b"tb", b"0").decode("ascii")) or None
        width, _, height = header.get(b"dimensions", b"").partition(b"x")
        if width and height and self._stream == by_media.get(b"video"):
            self.width, self.height = int(width), int(height)
            self.payload.begin(self.codec)

    def _count(self, fields: list[bytes]) -> None:
        flags = next((f for f in fields[6:] if f.startswith(b"F=0x")), b"F=0x0")
        start, ticks, size = int(fields[2]), int(fields[3]), int(fields[4])
        presented = not int(flags[4:], 16) & DISCARD_FLAG
        if self.width is not None:
            self.payload.expect(size, self._time_s(start), presented)
        if not presented:
            return
        self.presented += 1
        self.ticks += ticks
        if start == NO_TIME:
            self.timeless = True
            return
        self.first = start if self.first is None else min(self.first, start)
        self.last = start + ticks if self.last is None else max(self.last, start + ticks)

    def _time_s(self, ticks: int) -> float | None:
        known = self.tick_s is not None and ticks != NO_TIME
        return round(float(ticks * self.tick_s), 3) if known and self.tick_s else None

    @property
    def duration_s(self) -> float | None:
        """Seconds from the start of the first presented packet to the end of the last.

        Where packets have no times, as in avi, their durations are added up instead.
        """
        if self.tick_s is None:
            return None
        if self.timeless or self.first is None or self.last is None:
            return float(self.ticks * self.tick_s) if self.ticks else None
        return float((self.last - self.first) * self.tick_s)
