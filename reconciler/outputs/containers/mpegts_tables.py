"""The tables of a transport stream: ISO/IEC 13818-1, 2.4.4, and their checksum, annex A.

The program association table names the PIDs of the program maps, and those name the streams.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from reconciler.outputs.inspection import Defect

ASSOCIATION_PID, SERVICES_PID = 0, 0x11
ASSOCIATION, MAP = 0, 2
#: Types of streams that hold pictures: MPEG-1 to -4, H.264 to H.266, AVS, VC-1.
VIDEO_TYPES = {0x01, 0x02, 0x10, 0x1B, 0x1F, 0x20, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA}
#: Private data, in which AV1 and others travel: not told from sound here.
PRIVATE_TYPE = 0x06
MAX_SECTION_BYTES = 4096
MAX_REMEMBERED = 1000
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(slots=True)
class Tables:
    """Collects the sections of the tables and checks each that was not seen before."""

    maps: set[int] = field(default_factory=set)
    #: Whether a map names a picture; None where none was read.
    video: bool | None = None
    first_wrong: int | None = None
    wrong: int = 0
    _buffers: dict[int, bytearray] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    def holds(self, pid: int) -> bool:
        """Tell whether that PID carries tables."""
        return pid in (ASSOCIATION_PID, SERVICES_PID) or pid in self.maps

    def take(self, pid: int, payload: bytes, begins: bool, offset: int) -> None:
        """Take the payload of one packet; `begins` where a section starts in it."""
        if begins:
            pointer = payload[0] if payload else 0
            self._append(pid, payload[1 : 1 + pointer], offset)
            self._buffers[pid] = bytearray()
            payload = payload[1 + pointer :]
        self._append(pid, payload, offset)

    def _append(self, pid: int, data: bytes, offset: int) -> None:
        buffer = self._buffers.get(pid)
        if buffer is None:
            return
        buffer += data
        while len(buffer) >= 3 and buffer[0] != 0xFF:
            length = 3 + (int.from_bytes(buffer[1:3], "big") & 0xFFF)
            if length > len(buffer):
                if len(buffer) > MAX_SECTION_BYTES:
                    buffer.clear()
                return
            section = bytes(buffer[:length])
            del buffer[:length]
            if section not in self._seen:
                self._section(pid, section, offset)

    def _section(self, pid: int, section: bytes, offset: int) -> None:
        if len(self._seen) < MAX_REMEMBERED:
            self._seen.add(section)
        if not section[1] & 0x80:
            return  # the short form, without a checksum
        if len(section) < 12 or checksum(section):
            self.wrong += 1
            self.first_wrong = offset if self.first_wrong is None else self.first_wrong
        elif pid == ASSOCIATION_PID and section[0] == ASSOCIATION:
            entries = (section[at : at + 4] for at in range(8, len(section) - 7, 4))
            self.maps |= {int.from_bytes(e[2:], "big") & 0x1FFF for e in entries if any(e[:2])}
        elif section[0] == MAP:
            self._streams(section)

    def _streams(self, section: bytes) -> None:
        self.video = bool(self.video)
        at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
        while at + 5 <= len(section) - 4:
            kind = section[at]
            self.video = self.video or kind in VIDEO_TYPES or kind == PRIVATE_TYPE
            at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)

    def defects(self) -> tuple[Defect, ...]:
        """Return what is wrong with the tables."""
        if self.first_wrong is not None:
            words = f"table at byte {self.first_wrong} has a wrong checksum"
            more = f"; and {self.wrong - 1} more" if self.wrong > 1 else ""
            return (Defect("structure", words + more, offset=self.first_wrong),)
        if not self.maps:
            return (Defect("structure", "no table of programs: nothing says what is in it"),)
        if self.video is None:
            return (Defect("structure", "no program map: nothing says what is in it"),)
        return ()


def checksum(data: bytes) -> int:
    """CRC-32 as MPEG has it, high bit first: 0 over a section together with its own checksum.

    zlib has the same polynomial with the low bit first, so bits are mirrored going in and out.
    """
    mirrored = zlib.crc32(data.translate(_MIRRORED)) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")
