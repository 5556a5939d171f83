"""PyAV with all its flags: another's way of finding damage, to be measured beside ours."""

from __future__ import annotations

from pathlib import Path

import av

STRICT = {"err_detect": "crccheck+bitstream+buffer+careful+explode"}


def look(path: Path) -> tuple[str, int | None]:
    """Decode everything: what PyAV raised or flagged, empty where nothing, and the pictures."""
    seen = _Seen()
    try:
        with av.open(str(path), options=STRICT, metadata_errors="replace") as opened:
            _decode(opened, seen)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        seen.words = f"{type(error).__name__}: {error}"
    if not seen.words and not seen.frames:
        seen.words = "nothing decoded"
    return seen.words, seen.pictures or None


class _Seen:
    words = ""
    frames = 0
    pictures = 0


def _decode(opened: av.container.InputContainer, seen: _Seen) -> None:
    for stream in (*opened.streams.video, *opened.streams.audio):
        if stream.codec_context is not None:
            stream.codec_context.options = STRICT
    covers = {each.index for each in opened.streams.video if _is_cover(each)}
    for packet in opened.demux():
        if packet.is_corrupt:
            seen.words = f"corrupt packet at {packet.pos}"
        for frame in packet.decode():
            seen.frames += 1
            if getattr(frame, "is_corrupt", False):
                seen.words = f"corrupt frame {seen.pictures}"
            if isinstance(frame, av.VideoFrame) and packet.stream_index not in covers:
                seen.pictures += 1


def _is_cover(stream: av.video.stream.VideoStream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)
