"""JPEG: ITU-T T.81, annex B. Checked: segments are whole, and the end marker is the end."""

from __future__ import annotations

import os
import re

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken, trailing

SCAN, END = 0xDA, 0xD9
#: Markers without a length: TEM, and the restarts inside a scan (B.1.1.3).
ALONE = {0x01, *range(0xD0, 0xD8)}
#: Inside a scan FF is stuffed with 00, repeated as filler or followed by a restart.
MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
STEP_BYTES = 64 * 1024
#: A progressive picture has about ten.
MAX_SCANS = 1000


def check(source: Source) -> Structure:
    """Walk the markers of a JPEG to its end of image."""
    try:
        offset, scans = 2, 0
        while (marker := _marker(source, offset)) != END:
            if marker in ALONE:
                offset += 2
                continue
            offset += 2 + int.from_bytes(source.read(offset + 2, 2), "big")
            if marker == SCAN:
                scans += 1
                if scans > MAX_SCANS:
                    raise Damaged(f"more than {MAX_SCANS} scans in one picture")
                offset = _after_scan(source, offset)
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    return Structure(trailing(source, offset + 2), has_video=False)


def _marker(source: Source, offset: int) -> int:
    if offset + 2 > source.size:
        raise Damaged("end marker missing: the picture is cut off")
    first, second = source.read(offset, 2)
    if first != 0xFF:
        raise Damaged(f"no marker at byte {offset}, where one must begin")
    return second


def _after_scan(source: Source, offset: int) -> int:
    """Return where the next marker stands. Steps overlap by a byte: FF may be a step's last."""
    while offset < source.size:
        step = os.pread(source.descriptor, STEP_BYTES, offset)
        found = MARKER_IN_SCAN.search(step)
        if found:
            return offset + found.start()
        offset += max(1, len(step) - 1)
    return offset
