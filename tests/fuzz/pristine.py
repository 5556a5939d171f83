"""Small sound files of every container, to be mutated."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from tests.corpus.ffmpeg import run

VIDEO = "-f lavfi -i testsrc2=size=32x32:rate=12:duration=0.5"
SOUND = "-f lavfi -i sine=duration=0.3"
BOTH = f"{VIDEO} {SOUND}"
H264 = "-c:v libx264 -preset veryfast -bf 2 -g 4 -pix_fmt yuv420p"
SAME = "-map_metadata -1 -fflags +bitexact -threads 1"

#: Name of each file and how ffmpeg makes it; the ending is the container.
RECIPES = {
    "h264.mp4": f"{BOTH} {H264} -c:a aac",
    "faststart.mp4": f"{VIDEO} {H264} -movflags +faststart",
    "fragmented.mp4": f"{BOTH} {H264} -c:a aac -movflags frag_keyframe+empty_moov",
    "hevc.mp4": f"{VIDEO} -c:v libx265 -x265-params log-level=none:pools=none -tag:v hvc1",
    "av1.mp4": f"{VIDEO} -c:v libsvtav1 -preset 12 -svtav1-params lp=1",
    "pcm.mov": f"{BOTH} -c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le",
    "sound.m4a": f"{SOUND} -c:a aac",
    "h264.mkv": f"{BOTH} {H264} -c:a libopus",
    "live.mkv": f"{VIDEO} {H264} -live 1",
    "ffv1.mkv": f"{VIDEO} -c:v ffv1 -level 3",
    "vp9.webm": f"{BOTH} -c:v libvpx-vp9 -cpu-used 8 -deadline realtime -c:a libopus",
    "vp8.webm": f"{VIDEO} -c:v libvpx -deadline realtime",
    "mpeg4.avi": f"{BOTH} -c:v mpeg4 -c:a libmp3lame",
    "h264.avi": f"{VIDEO} {H264}",
    "h264.ts": f"{BOTH} {H264} -c:a aac",
    "moving.gif": VIDEO,
    "sound.wav": SOUND,
    "sound.flac": SOUND,
    "sound.mp3": SOUND,
    "sound.opus": f"{SOUND} -c:a libopus",
    "sound.ogg": f"{SOUND} -c:a libvorbis",
}


def pictures(count: int) -> list[Image.Image]:
    """Noise: no two pictures are the same."""
    return [Image.effect_noise((32, 32), 90 + n).convert("RGB") for n in range(count)]


def _still(**options: Any) -> Callable[[Path], None]:
    return lambda path: pictures(1)[0].save(path, **options)


def _moving(**options: Any) -> Callable[[Path], None]:
    first, *rest = pictures(4)
    return lambda path: first.save(path, save_all=True, append_images=rest, **options)


#: Name of each file and what writes it.
DRAWN: dict[str, Callable[[Path], None]] = {
    "still.png": _still(),
    "moving.png": _moving(duration=100),
    "still.jpg": _still(quality=80),
    "progressive.jpg": _still(quality=80, progressive=True, restart_marker_rows=1),
    "still.webp": _still(quality=80),
    "lossless.webp": _still(lossless=True),
    "moving.webp": _moving(duration=100),
    "still.bmp": _still(),
    "still.tiff": _still(),
}

NAMES = tuple(sorted([*RECIPES, *DRAWN]))


def make(folder: Path, name: str) -> Path:
    """Write one of them, unless it is there."""
    path = folder / name
    if path.exists():
        return path
    if name in DRAWN:
        DRAWN[name](path)
    else:
        run(*RECIPES[name].split(), *SAME.split(), path)
    return path


def avif() -> bytes:
    """What begins as a picture in boxes, and holds none."""
    return struct.pack(">I4s4sI4s", 20, b"ftyp", b"avif", 0, b"mif1")
