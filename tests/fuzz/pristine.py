"""Small sound files of every container, to be mutated."""

from __future__ import annotations

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
    "prores.mov": f"{VIDEO} -c:v prores_ks",
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
    "tagged.mp3": f"{SOUND} -q:a 4 -metadata title=a -write_id3v1 1",
    "alpha.webm": f"{VIDEO} -c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuva420p -auto-alt-ref 0",
    "hevc.ts": f"{VIDEO} -c:v libx265 -x265-params log-level=none:pools=none",
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
    "moving.avif": _moving(duration=100),
    "still.avif": _still(),
    "still.bmp": _still(),
    "still.tiff": _still(),
}

#: Coded pictures alone: the codec, and the file that they are taken from.
CODED = {
    "h264.packets": "h264.mp4",
    "h264-codes.packets": "h264.ts",
    "hevc.packets": "hevc.mp4",
    "av1.packets": "av1.mp4",
    "vp8.packets": "vp8.webm",
    "mjpeg.packets": "pcm.mov",
    "prores.packets": "prores.mov",
}

FILES = tuple(sorted([*RECIPES, *DRAWN]))
NAMES = (*FILES, *CODED)


def make(folder: Path, name: str) -> Path:
    """Write one of them, unless it is there."""
    path = folder / name
    if path.exists():
        return path
    if name in CODED:
        path.write_bytes(_packets(make(folder, CODED[name])))
    elif name in DRAWN:
        DRAWN[name](path)
    else:
        run(*RECIPES[name].split(), *SAME.split(), path)
    return path


def _packets(path: Path) -> bytes:
    """The packets of a file's picture, each behind its length in four bytes."""
    copy = ("-i", path, "-map", "0:v", "-c", "copy", "-f")
    listed = run(*copy, "framecrc", "pipe:1").stdout.decode().splitlines()
    data = run(*copy, "data", "pipe:1").stdout
    out, at = bytearray(), 0
    for line in (line for line in listed if not line.startswith("#")):
        size = int(line.split(",")[4])
        out += size.to_bytes(4, "big") + data[at : at + size]
        at += size
    assert at == len(data)
    return bytes(out)
