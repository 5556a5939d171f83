"""Small real files, made once per run by ffmpeg and Pillow: controls, and what is damaged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from reconciler.outputs.decode import ffmpeg

FRAMES = 12
VIDEO = "-f lavfi -i testsrc2=size=64x48:rate=24:duration=0.5"
SOUND = "-f lavfi -i sine=duration=1"
H264 = "-c:v libx264 -preset veryfast -bf 2 -pix_fmt yuv420p"
#: Metadata as the savers write it: JSON, so a text keeps its quotes.
TAGS = ["-metadata", 'job_id="42"', "-metadata", "prompt_id=1f0e"]

#: Name of a file and how ffmpeg makes it. Every one is sound and has `FRAMES` frames.
RECIPES = {
    "h264.mp4": f"{VIDEO} {H264}",
    "faststart.mp4": f"{VIDEO} {H264} -movflags +faststart",
    "fragmented.mp4": f"{VIDEO} {H264} -g 4 -movflags frag_keyframe+empty_moov",
    "longer_sound.mp4": f"{VIDEO} {SOUND} {H264} -c:a aac",
    "variable.mp4": f"{VIDEO} {H264} -vf setpts=N*N*0.004/TB -fps_mode passthrough",
    "full_range.mp4": f"{VIDEO} -c:v libx264 -pix_fmt yuvj420p",
    "hevc.mp4": f"{VIDEO} -c:v libx265 -x265-params log-level=quiet -tag:v hvc1",
    "prores.mov": f"{VIDEO} -c:v prores_ks",
    "ffv1.mkv": f"{VIDEO} -c:v ffv1",
    "piped.mkv": f"{VIDEO} {H264} -live 1",
    "vp9.webm": f"{VIDEO} -c:v libvpx-vp9 -cpu-used 8 -deadline realtime",
    "vp8.webm": f"{VIDEO} -c:v libvpx -deadline realtime",
    "mpeg4.avi": f"{VIDEO} -c:v mpeg4 -bf 2",
    "h264.avi": f"{VIDEO} {H264}",
    "moving.gif": VIDEO,
    "thin.mp4": f"-f lavfi -i testsrc2=size=1200x2:rate=24:duration=0.5 {H264}",
}
SOUNDS = {
    "sound.wav": SOUND,
    "sound.flac": SOUND,
    "sound.mp3": SOUND,
    "sound.opus": SOUND,
    "sound.ogg": SOUND,
    "sound.m4a": f"{SOUND} -c:a aac",
    "sound.mka": f"{SOUND} -c:a flac",
}


def make(path: Path, recipe: str, *more: str) -> Path:
    """Run ffmpeg with the words of a recipe, and give the file it wrote."""
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *recipe.split(), *more, str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the file of a recipe, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("studio")
    known = {**RECIPES, **SOUNDS}

    def give(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make(path, known[name])

    return give


def pictures(count: int = FRAMES) -> list[Image.Image]:
    """Noise, different in each frame: savers drop a frame that equals the one before."""
    return [Image.effect_noise((64, 48), 90 + n).convert("RGB") for n in range(count)]


def exif(**entries: str) -> Image.Exif:
    """EXIF as ComfyUI's webp saver writes it: `job_id:"42"` in the tags from Make downwards."""
    data = Image.Exif()
    for number, (name, value) in enumerate(entries.items()):
        data[ExifTags.Base.Make - number] = f"{name}:{value}"
    return data


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what Pillow writes: stills in five formats, and two animations."""
    folder = tmp_path_factory.mktemp("gallery")
    first, *rest = pictures()
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", '{"1": {"inputs": {"job_id": "7"}}}')
    text.add_text("job_id", '"42"')
    first.save(folder / "still.png", pnginfo=text)
    for name in ("still.jpg", "still.webp", "still.bmp", "still.tiff"):
        first.save(folder / name)
    moving = {"save_all": True, "append_images": rest, "duration": 50, "loop": 0}
    first.save(folder / "moving.webp", **moving, exif=exif(prompt="{}", job_id='"42"'))
    first.save(folder / "moving.png", **moving)
    return folder
