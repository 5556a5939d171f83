"""MP3: ISO/IEC 11172-3, a chain of frames without any container.

Checked: after each frame stands the next, to the end or to the tags there; frames, bytes and music
are as many, and of that CRC, as the first frame declares (`mp3_info`). CRCs of single frames,
which hardly an encoder writes, are left to ffmpeg.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.outputs.containers.base import Damaged, Source, Structure, broken
from reconciler.outputs.containers.crc16 import BLOCK_BYTES, crc16
from reconciler.outputs.containers.mp3_frames import Frame, read_frame
from reconciler.outputs.containers.mp3_info import Info, read_info
from reconciler.outputs.containers.mp3_tags import after_id3v2, before_tags


@dataclass(frozen=True, slots=True)
class _Chain:
    """The frames of a file: how many, and where they begin and end. The first may be no sound."""

    start: int
    music: int
    end: int
    frames: int


def check(source: Source) -> Structure:
    """Follow the frames of an mp3 and compare them with what the first declares."""
    try:
        start = _first(source)
        end = before_tags(source, start)
        first = _frame(source, start, end)
        if not first.size_bytes:
            return Structure(has_video=False)  # free format: nothing says where a frame ends
        size_bytes = min(first.size_bytes, end - start)
        info = read_info(source.read(start, size_bytes), first.side_bytes)
        chain = _follow(source, start, end, start + first.size_bytes if info else start)
        _insist_declared(source, chain, info or Info())
    except Damaged as error:
        return Structure((broken(error),), has_video=False)
    return Structure(has_video=False)


def _first(source: Source) -> int:
    """Return where the first frame begins: behind the tags, and the zeros that some pad them by."""
    start = after_id3v2(source, 0)
    for piece in source.steps(start, source.size):
        if rest := len(piece.lstrip(b"\0")):
            return start + len(piece) - rest
        start += len(piece)
    raise Damaged("no frame behind its tags", min(start, source.size))


def _frame(source: Source, offset: int, end: int) -> Frame:
    frame = read_frame(source.read(offset, 4)) if offset + 4 <= end else None
    if frame is None:
        raise Damaged(f"no frame at byte {offset}, where one must begin", offset)
    return frame


def _follow(source: Source, start: int, end: int, music: int) -> _Chain:
    """Go from frame to frame. A file may be several, one behind the other, each with its tag."""
    offset, frames = start, 0
    while offset < end:
        if source.read(offset, min(4, end - offset))[:3] == b"ID3":
            offset = _after_inner_tag(source, offset, end)
            continue
        step = _frame(source, offset, end).size_bytes
        if not step or offset + step > end:
            raise Damaged(f"frame cut off: {end - offset} of {step} bytes", offset)
        offset += step
        frames += 1
    return _Chain(start, music, offset, frames - (music > start))


def _after_inner_tag(source: Source, offset: int, end: int) -> int:
    behind = after_id3v2(source, offset)
    if not offset < behind <= end:
        raise Damaged("tag cut off", offset)
    return behind


def _insist_declared(source: Source, chain: _Chain, info: Info) -> None:
    """Raise Damaged for less than was declared. More is no damage: files can be joined."""
    found_bytes = chain.end - chain.start
    if info.frames is not None and chain.frames + (chain.music > chain.start) < info.frames:
        raise Damaged(f"{chain.frames} of {info.frames} frames: the rest is missing", chain.end)
    if info.size_bytes is not None and found_bytes < info.size_bytes:
        raise Damaged(f"{found_bytes} of {info.size_bytes} bytes of frames", chain.end)
    if info.music_crc is None or found_bytes != info.size_bytes:
        return
    if crc16(source.steps(chain.music, chain.end, BLOCK_BYTES)) != info.music_crc:
        raise Damaged("the sound has another checksum than its first frame declares", chain.music)
