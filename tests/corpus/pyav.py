"""PyAV with all its flags: another's way of finding damage, to be measured beside ours."""

from __future__ import annotations

from pathlib import Path

import av

STRICT = {"err_detect": "crccheck+bitstream+buffer+careful+explode"}


def complaints(path: Path) -> str:
    """Decode everything; in words, what PyAV raised or flagged. Empty where nothing."""
    try:
        with av.open(str(path), options=STRICT, metadata_errors="replace") as opened:
            return _flagged(opened)
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def _flagged(opened: av.container.InputContainer) -> str:
    for stream in (*opened.streams.video, *opened.streams.audio):
        stream.codec_context.options = STRICT
    seen, pictures = False, 0
    for packet in opened.demux():
        if packet.is_corrupt:
            return f"corrupt packet at {packet.pos}"
        for frame in packet.decode():
            seen = True
            if getattr(frame, "is_corrupt", False):
                return f"corrupt frame {pictures}"
            pictures += isinstance(frame, av.VideoFrame)
    return "" if seen else "nothing decoded"
