"""What stands before and behind the frames of an mp3, and is no sound.

ID3v2: id3.org, "ID3 tag version 2.4.0 - Main Structure" (3). ID3v1: 128 bytes from "TAG" on, with
the 227 of "TAG+" before them. APEv2: wiki.hydrogenaud.io, "APEv2 specification". Lyrics3: id3.org.
"""

from __future__ import annotations

from reconciler.outputs.containers.base import Source

#: More tags than this behind one another are no tags.
MAX_TAGS = 16
ID3V1_BYTES, ENHANCED_BYTES, APE_FOOTER_BYTES, LYRICS_END_BYTES = 128, 227, 32, 15
ID3V2_FOOTER_FLAG = 0x10
APE_HEADER_FLAG = 1 << 31


def after_id3v2(source: Source, offset: int) -> int:
    """Return where the ID3v2 tags that begin at `offset` end; `offset` where there is none."""
    for _ in range(MAX_TAGS):
        if offset + 10 > source.size or source.read(offset, 3) != b"ID3":
            break
        header = source.read(offset, 10)
        footer = 10 if header[5] & ID3V2_FOOTER_FLAG else 0
        offset += 10 + _synchsafe(header[6:10]) + footer
    return offset


def before_tags(source: Source, start: int) -> int:
    """Return where the tags at the end of the file begin, no earlier than `start`."""
    end = source.size
    for _ in range(MAX_TAGS):
        length = _tag_bytes(source, start, end)
        if not length or end - length < start:
            break
        end -= length
    return end


def _tag_bytes(source: Source, start: int, end: int) -> int:
    """Return the bytes of the tag that ends at `end`; 0 where none does."""
    if _at(source, start, end - ID3V1_BYTES, 3) == b"TAG":
        enhanced = _at(source, start, end - ID3V1_BYTES - ENHANCED_BYTES, 4) == b"TAG+"
        return ID3V1_BYTES + (ENHANCED_BYTES if enhanced else 0)
    footer = _at(source, start, end - APE_FOOTER_BYTES, APE_FOOTER_BYTES)
    if footer.startswith(b"APETAGEX"):
        flags = int.from_bytes(footer[20:24], "little")
        header = APE_FOOTER_BYTES if flags & APE_HEADER_FLAG else 0
        return int.from_bytes(footer[12:16], "little") + header
    lyrics = _at(source, start, end - LYRICS_END_BYTES, LYRICS_END_BYTES)
    if lyrics.endswith(b"LYRICS200") and lyrics[:6].isdigit():
        return int(lyrics[:6]) + LYRICS_END_BYTES
    id3 = _at(source, start, end - 10, 10)
    return 20 + _synchsafe(id3[6:10]) if id3.startswith(b"3DI") else 0


def _at(source: Source, start: int, offset: int, length: int) -> bytes:
    return source.read(offset, length) if offset >= start else b""


def _synchsafe(four: bytes) -> int:
    """Read a number of four times seven bits (ID3v2, 6.2)."""
    value = 0
    for byte in four:
        value = value << 7 | byte & 0x7F
    return value
