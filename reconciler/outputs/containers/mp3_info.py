"""What an mp3's first frame says of all the others.

Xing's header, as gabriel.mp3-tech.org's "MP3 Infotag revision 1" describes it with LAME's addition:
flags, frames, bytes, and of LAME and ffmpeg the length of the music and its CRC.
"""

from __future__ import annotations

from dataclasses import dataclass

FRAMES, BYTES, TOC, QUALITY = 1, 2, 4, 8
#: Encoders whose music CRC is one.
_LAME = (b"LAME", b"Lavc", b"Lavf")
LAME_TAG_BYTES = 36


@dataclass(frozen=True, slots=True)
class Info:
    """Numbers that the first frame declares; None where it declares none."""

    #: Frames with sound, which this first one has not.
    frames: int | None = None
    #: All frames together, the first one included.
    size_bytes: int | None = None
    #: CRC-16 of all frames but the first.
    music_crc: int | None = None


def read_info(frame: bytes, side_bytes: int) -> Info | None:
    """Read the header out of a file's first frame; None where it is a frame like any other."""
    at = 4 + side_bytes
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    at += 8
    numbers: dict[int, int] = {}
    for flag, length in ((FRAMES, 4), (BYTES, 4), (TOC, 100), (QUALITY, 4)):
        if flags & flag:
            numbers[flag] = int.from_bytes(frame[at : at + length], "big")
            at += length
    tag = frame[at : at + LAME_TAG_BYTES]
    size_bytes = numbers.get(BYTES) or None
    return Info(numbers.get(FRAMES) or None, size_bytes, _music_crc(tag, size_bytes))


def _music_crc(tag: bytes, size_bytes: int | None) -> int | None:
    """Return the CRC of the music, where its length is that of the frames; 0 is "unknown"."""
    if len(tag) < LAME_TAG_BYTES or not tag.startswith(_LAME):
        return None
    if int.from_bytes(tag[28:32], "big") != size_bytes:
        return None
    return int.from_bytes(tag[32:34], "big") or None
