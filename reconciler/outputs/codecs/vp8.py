"""Frames of vp8: RFC 6386, 9.1 and 19.1.

The frame tag: whether it is a key frame, a version up to 3, whether it is shown, and the size of
the first partition, which lies inside the frame. A key frame has a start code behind it, and the
stream begins with one.
"""

from __future__ import annotations

from reconciler.outputs.codecs.base import Check, Illegal, insist_no_zeros

START_CODE = b"\x9d\x01\x2a"
LAST_VERSION = 3
TAG_BYTES, KEY_BYTES = 3, 10


def check() -> Check:
    """Return a check for the packets of one stream."""
    started = False

    def look(packet: bytes) -> int:
        nonlocal started
        if not packet:
            return 0  # a dropped frame; libvpx repeats the one before, and shows nothing new
        key = _tag(packet, started)
        started = True
        insist_no_zeros(packet, KEY_BYTES if key else TAG_BYTES, len(packet), "a frame")
        return packet[0] >> 4 & 1

    return look


def _tag(packet: bytes, started: bool) -> bool:
    tag = int.from_bytes(packet[:TAG_BYTES], "little")
    key = not tag & 1
    if not key and not started:
        raise Illegal("the first frame is no key frame", 0)
    if tag >> 1 & 7 > LAST_VERSION:
        raise Illegal(f"a frame of version {tag >> 1 & 7}, which does not exist", 0)
    if key and packet[TAG_BYTES : TAG_BYTES + 3] != START_CODE:
        raise Illegal("a key frame without its start code", min(TAG_BYTES, len(packet)))
    room = len(packet) - (KEY_BYTES if key else TAG_BYTES)
    if tag >> 5 > room:
        raise Illegal(f"a first partition of {tag >> 5} bytes where {room} are left", 0)
    return key
