"""JPEG: ITU-T T.81, annex B.

Checked: segments are whole; there is a frame and a scan of it; the restarts inside a scan follow
one another (B.2.1, E.1.4); the end marker is the end. What lies between markers is for `jpeg_scan`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing

#: The segment that lists further pictures behind the first: CIPA DC-007, "Multi-Picture Format".
APP2, SEVERAL = 0xE2, b"MPF\0"
SCAN, END, FIRST_RESTART = 0xDA, 0xD9, 0xD0
#: Markers without a length: TEM, and the restarts inside a scan (B.1.1.3).
ALONE = {0x01, *range(0xD0, 0xD8)}
#: Start of frame: C0 to CF without those for Huffman tables, extensions and arithmetic coding.
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: Inside a scan FF is stuffed with 00, repeated as filler or followed by a restart.
MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
RESTART = re.compile(rb"\xff([\xd0-\xd7])")
STEP_BYTES = 64 * 1024
#: A progressive picture has about ten.
MAX_SCANS = 1000


def check(source: Source) -> Structure:
    """Walk the markers of a JPEG to its end of image."""
    try:
        end, several = _walk(source)
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    return Structure(() if several else trailing(source, end), has_video=False)


def _walk(source: Source) -> tuple[int, bool]:
    """Return where the picture ends, and whether more follow. Raises Damaged for what is broken."""
    offset, scans, framed, several = 2, 0, False, False
    while (marker := _marker(source, offset)) != END:
        if marker == 0xFF:  # filler before a marker (B.1.1.2)
            offset += 1
            continue
        if marker in ALONE:
            offset += 2
            continue
        framed = framed or marker in FRAMES
        several = several or (marker == APP2 and source.read(offset + 4, 4) == SEVERAL)
        offset += 2 + int.from_bytes(source.read(offset + 2, 2), "big")
        if marker == SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise Damaged(f"more than {MAX_SCANS} scans in one picture", offset)
            offset = _after_scan(source, offset)
    if not framed or not scans:
        raise Damaged(f"no picture in it: {'scan' if framed else 'frame header'} missing", offset)
    return offset + 2, several


def _marker(source: Source, offset: int) -> int:
    if offset + 2 > source.size:
        raise Damaged("end marker missing: the picture is cut off", source.size)
    first, second = source.read(offset, 2)
    if first != 0xFF:
        raise Damaged(f"no marker at byte {offset}, where one must begin", offset)
    return second


def _after_scan(source: Source, offset: int) -> int:
    """Return where the next marker stands. Steps overlap by a byte: FF may be a step's last."""
    restarts = _Restarts()
    while offset < source.size:
        step = os.pread(source.descriptor, STEP_BYTES, offset)
        found = MARKER_IN_SCAN.search(step)
        restarts.take(step[: found.start()] if found else step, offset)
        if found:
            return offset + found.start()
        offset += max(1, len(step) - 1)
    return offset


@dataclass(slots=True)
class _Restarts:
    """Follows the restarts of one scan, which are counted from 0 to 7 over and over."""

    count: int = 0

    def take(self, data: bytes, offset: int) -> None:
        """Read a piece of a scan. Raises Damaged where a restart is not the next one."""
        for found in RESTART.finditer(data):
            number = found[1][0] - FIRST_RESTART
            if number != self.count % 8:
                words = f"restart {number} where {self.count % 8} is due: data lost or damaged"
                raise Damaged(words, offset + found.start())
            self.count += 1
