"""Looking into media files with ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg


def container_tags(path: Path) -> dict[str, str]:
    """Tags of a video or sound by ffmpeg's text format, unescaped."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    done = subprocess.run(
        [*command, "-f", "ffmetadata", "-"], capture_output=True, check=True, text=True
    )
    lines = done.stdout.replace("\\\n", "\0").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: _unescape(value) for key, value in pairs}


def _unescape(value: str) -> str:
    for character in "=;#\\":
        value = value.replace(f"\\{character}", character)
    return value.replace("\0", "\n")


def decoded_frames(path: Path) -> int:
    """How many frames come out of it; a damaged file raises."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-xerror", "-i", str(path)]
    framed = [*command, "-map", "0:v:0", "-f", "framemd5", "-"]
    done = subprocess.run(framed, capture_output=True, check=True, text=True)
    return sum(1 for line in done.stdout.splitlines() if not line.startswith("#"))
