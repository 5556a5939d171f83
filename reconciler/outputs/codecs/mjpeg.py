"""Pictures of Motion JPEG: Rec. ITU-T T.81, B.1.1.5 and table B.1.

Inside coded data a byte FF is followed by 00, by a restart marker (counting 0 to 7 over and over),
or by a marker that may stand between scans.
"""

from __future__ import annotations

import re

from reconciler.outputs.codecs.base import Check, Illegal

_MARKER = re.compile(rb"\xff+([^\0\xff])")
START, SCAN, END = b"\xff\xd8", b"\xff\xda", 0xD9
RESTARTS = range(0xD0, 0xD8)
#: DHT, SOS, DQT, DNL, DRI, EXP, the application's segments and comments.
BETWEEN_SCANS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xDF, *range(0xE0, 0xF0), 0xFE}


def check() -> Check:
    """Return a check for the packets of one stream."""
    return _look


def _look(packet: bytes) -> int:
    scan = packet.find(SCAN)
    if not packet.startswith(START) or scan < 0:
        raise Illegal("a picture without its start or its coded data", 0)
    expected = 0
    for found in _MARKER.finditer(packet, scan + 2):
        marker = found[1][0]
        if marker == END or marker in BETWEEN_SCANS:
            return 1  # what follows is no longer this scan
        if marker not in RESTARTS:
            raise Illegal(f"ff {marker:02x} inside coded data", found.start())
        if marker - RESTARTS[0] != expected:
            raise Illegal("restart markers out of order", found.start())
        expected = (expected + 1) % len(RESTARTS)
    return 1
