"""Real media files: frames of noise through ffmpeg and Pillow, with tags, at a chosen pace."""

from __future__ import annotations

import contextlib
import json
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from PIL import Image
from PIL.PngImagePlugin import PngInfo

#: Called before each frame with its number, counted from 0; may wait, or raise to break off.
Tick = Callable[[int], None]

#: Tags of a file, JSON-encoded values: the graph under `prompt` and every entry of
#: `extra_pnginfo`.
Tags = Mapping[str, str]

_MP4_TAGS = ("-movflags", "use_metadata_tags")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p")
H264 = (*_X264, *_MP4_TAGS)
H264_FASTSTART = (*_X264, "-movflags", "use_metadata_tags+faststart")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-pix_fmt", "yuv420p")


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames to be rendered: the same values always give the same pictures."""

    frames: int
    width: int
    height: int
    seed: int = 0
    fps: float = 24.0

    def images(self) -> Iterator[Image.Image]:
        """Each frame: a small noise, blown up, which costs little to make and to encode."""
        noise = random.Random(self.seed)  # noqa: S311 - pictures, not secrets
        for _ in range(self.frames):
            small = Image.frombytes("RGB", (16, 16), noise.randbytes(16 * 16 * 3))
            yield small.resize((self.width, self.height), Image.Resampling.BILINEAR)


@dataclass(frozen=True, slots=True)
class Sound:
    """A sine tone; of 0 hertz, silence."""

    seconds: float
    hertz: float
    sample_rate: int = 44100
    channels: int = 1


class EncoderFailed(Exception):
    """ffmpeg refused; the message is what it said."""


def make_tags(graph: Mapping[str, Any], extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    """What every saver writes into its files."""
    tags = {"prompt": json.dumps(graph)}
    return tags | {key: json.dumps(value) for key, value in (extra_pnginfo or {}).items()}


def write_png(path: Path, image: Image.Image, tags: Tags) -> None:
    """A still with text chunks."""
    info = PngInfo()
    for key, value in tags.items():
        info.add_text(key, value)
    image.save(path, pnginfo=info, compress_level=4)


class Encoder:
    """ffmpeg at work on one video, which grows under its final name while frames come; an mp4 gets
    its moov last."""

    def __init__(self, path: Path, clip: Clip, tags: Tags, codec: tuple[str, ...]) -> None:
        """Size and rate are those of `clip`, all of whose frames may come later."""
        self._open = contextlib.ExitStack()
        tags_path = self._open.enter_context(_tags_file(tags))
        command = _command(path, clip, tags_path, codec)
        pipe = subprocess.PIPE
        self._process = self._open.enter_context(subprocess.Popen(command, stdin=pipe, stderr=pipe))

    def feed(self, clip: Clip, tick: Tick) -> None:
        """Encode frames. Whatever `tick` raises leaves the file as it is then, without an end."""
        stdin = self._process.stdin
        assert stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # exit status and complaints say why
                for number, image in enumerate(clip.images()):
                    tick(number)
                    stdin.write(image.tobytes())
                    stdin.flush()
        except BaseException:
            self.kill()
            raise

    def finish(self) -> None:
        """Give the file its end. Raises `EncoderFailed`."""
        assert self._process.stdin is not None and self._process.stderr is not None
        with self._open:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            complaint = self._process.stderr.read().decode(errors="replace")
        if self._process.returncode:
            raise EncoderFailed(complaint)

    def kill(self) -> None:
        """Break off."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError), self._open:
            pass


def encode(path: Path, clip: Clip, tags: Tags, codec: tuple[str, ...], tick: Tick) -> None:
    """A whole video. Raises `EncoderFailed`, and whatever `tick` raises."""
    encoder = Encoder(path, clip, tags, codec)
    encoder.feed(clip, tick)
    encoder.finish()


def read_clip(path: Path) -> Clip:
    """Noise as long, as large and as fast as the video that lies there."""
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(path))
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    reader.close()
    width, height = about["size"]
    return Clip(frames, width, height, fps=about["fps"])


def add_sound(silent: Path, path: Path) -> None:
    """A second file with the same pictures and tags and a sine tone. Raises `EncoderFailed`."""
    sine = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
    mux = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-shortest")
    command = [*_FFMPEG, "-i", str(silent), *sine, *mux, *_MP4_TAGS, str(path)]
    _run_ffmpeg(command)


def write_flac(path: Path, sound: Sound, tags: Tags) -> None:
    """Sound with tags. Raises `EncoderFailed`."""
    wave = f"0.25*sin(2*PI*{sound.hertz}*t)"
    source = f"aevalsrc={wave}:s={sound.sample_rate}:d={sound.seconds}"
    with _tags_file(tags) as tags_path:
        maps = ("-f", "ffmetadata", "-i", tags_path, "-map", "0:a", "-map_metadata", "1")
        command = [*_FFMPEG, "-f", "lavfi", "-i", source, *maps, "-ac", str(sound.channels)]
        _run_ffmpeg([*command, str(path)])


def write_gif(path: Path, clip: Clip, tick: Tick) -> None:
    """An animated gif, which carries no tags."""
    fast = Image.Quantize.FASTOCTREE  # Pillow's own choice takes a fifth of a second a frame
    first, *rest = (image.quantize(method=fast) for image in _ticking(clip, tick))
    first.save(
        path, save_all=True, append_images=rest, duration=round(1000 / clip.fps), loop=0, disposal=2
    )


def write_webp(path: Path, clip: Clip, tags: Tags, tick: Tick) -> None:
    """An animated webp with its tags in the EXIF: `Model` for the graph, then downwards."""
    first, *rest = _ticking(clip, tick)
    exif = Image.Exif()
    for number, (key, value) in enumerate(tags.items()):
        exif[0x0110 - number] = f"{key}:{value}"
    duration_ms = round(1000 / clip.fps)
    first.save(path, save_all=True, append_images=rest, duration=duration_ms, exif=exif, method=0)


_FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y")


@contextlib.contextmanager
def _tags_file(tags: Tags) -> Iterator[str]:
    """Path of a file with the tags, as ffmpeg reads them."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as tags_file:
        tags_file.write(_ffmetadata(tags))
        tags_file.flush()
        yield tags_file.name


def _run_ffmpeg(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise EncoderFailed(done.stderr.decode(errors="replace"))


def _command(path: Path, clip: Clip, tags_path: str, codec: tuple[str, ...]) -> list[str]:
    size, rate = f"{clip.width}x{clip.height}", str(clip.fps)
    frames = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", rate, "-i", "-")
    maps = ("-f", "ffmetadata", "-i", tags_path, "-map", "0:v", "-map_metadata", "1")
    # Each packet is written at once, so that even a short file can be seen growing.
    return [*_FFMPEG, *frames, *maps, *codec, "-threads", "1", "-flush_packets", "1", str(path)]


def _ffmetadata(tags: Tags) -> str:
    """Tags in ffmpeg's own text format, in which five characters are escaped."""
    lines = [f"{_escape(key)}={_escape(value)}" for key, value in tags.items()]
    return "\n".join([";FFMETADATA1", *lines, ""])


def _escape(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text)


def _ticking(clip: Clip, tick: Tick) -> Iterator[Image.Image]:
    for number, image in enumerate(clip.images()):
        tick(number)
        yield image
