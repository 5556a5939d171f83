"""PyAV with all its flags: another's way of finding damage, to be measured beside ours."""

from __future__ import annotations

from pathlib import Path

import av
import av.logging

STRICT = {"err_detect": "crccheck+bitstream+buffer+careful+explode"}


def look(path: Path) -> tuple[str, int | None]:
    """Decode everything: what PyAV raised, flagged or logged, and how many pictures it gave.

    The words are empty where it had nothing to say; the pictures None where there were none.
    """
    seen = _Seen()
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture(local=False) as logged:
        try:
            with av.open(str(path), options=STRICT, metadata_errors="replace") as opened:
                _decode(opened, seen)
        except Exception as error:  # whatever it raises says that it cannot decode this
            seen.words = f"{type(error).__name__}: {error}"
    av.logging.set_level(None)
    if not seen.words:
        seen.words = _unsaid(seen, [message for _, _, message in logged])
    return seen.words, seen.pictures or None


class _Seen:
    words = ""
    frames = 0
    pictures = 0
    #: What the container declares of its first video; 0 where it does not.
    declared = 0


def _unsaid(seen: _Seen, logged: list[str]) -> str:
    if not seen.frames:
        return "nothing decoded"
    if seen.declared not in (0, seen.pictures):
        return f"{seen.pictures} of {seen.declared} frames"
    return logged[0] if logged else ""


def _decode(opened: av.container.InputContainer, seen: _Seen) -> None:
    for stream in (*opened.streams.video, *opened.streams.audio):
        if stream.codec_context is not None:
            stream.codec_context.options = STRICT
    covers = {each.index for each in opened.streams.video if _is_cover(each)}
    films = [each for each in opened.streams.video if each.index not in covers]
    seen.declared = films[0].frames if films else 0
    for packet in opened.demux():
        if packet.is_corrupt:
            seen.words = f"corrupt packet at {packet.pos}"
        if not isinstance(packet.stream, av.VideoStream | av.AudioStream):
            continue
        for frame in packet.decode():
            seen.frames += 1
            if getattr(frame, "is_corrupt", False):
                seen.words = f"corrupt frame {seen.pictures}"
            if isinstance(frame, av.VideoFrame) and packet.stream_index not in covers:
                seen.pictures += 1


def _is_cover(stream: av.video.stream.VideoStream) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)
