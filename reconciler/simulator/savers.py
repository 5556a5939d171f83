"""The nodes that write files: names, siblings and history entries as the real ones have them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from reconciler.simulator.files import Target, find_target, next_number, next_vhs_number
from reconciler.simulator.render import (
    H264,
    H264_FASTSTART,
    VP9,
    Clip,
    Sound,
    Tick,
    add_sound,
    encode,
    write_flac,
    write_gif,
    write_png,
    write_webp,
)
from reconciler.simulator.run import Run

Ui = dict[str, Any]


def save_images(run: Run, clip: Clip, prefix: str, tick: Tick, temporary: bool = False) -> Ui:
    """`SaveImage`, one PNG for each frame; or `PreviewImage`, among the temporary files."""
    root = run.stage.temp_dir if temporary else run.stage.output_dir
    target = find_target(root, prefix)
    first = next_number(target, run.stage.version.counts_every_number)
    counted = run.counting(tick)
    listed = []
    for index, image in enumerate(clip.images()):
        path = target.folder / f"{target.name}_{first + index:05}_.png"
        run.begins(path)
        counted(index)
        write_png(path, image, run.tags)
        run.main_file = run.main_file or path
        listed.append(_listed(target, path, "temp" if temporary else "output"))
    return {"images": listed}


def save_video(run: Run, clip: Clip, prefix: str, tick: Tick) -> Ui:
    """`SaveVideo`: one mp4."""
    target, path = _numbered(run, prefix, "_.mp4")
    codec = H264_FASTSTART if run.stage.version.faststart else H264
    encode(path, clip, run.tags, codec, run.counting(tick))
    return {"images": [_listed(target, path)], "animated": [True]}


def save_webm(run: Run, clip: Clip, prefix: str, tick: Tick) -> Ui:
    """`SaveWEBM`: one webm, whose tags are upper-cased by the muxer."""
    target, path = _numbered(run, prefix, "_.webm")
    encode(path, clip, run.tags, VP9, run.counting(tick))
    return {"images": [_listed(target, path)], "animated": [True]}


def save_webp(run: Run, clip: Clip, prefix: str, tick: Tick) -> Ui:
    """`SaveAnimatedWEBP`: one animated webp."""
    target, path = _numbered(run, prefix, "_.webp")
    write_webp(path, clip, run.tags, run.counting(tick))
    return {"images": [_listed(target, path)], "animated": [True]}


def save_audio(run: Run, sound: Sound, prefix: str) -> Ui:
    """`SaveAudio`: one flac."""
    ending = run.stage.version.audio_name_end
    target, path = _numbered(run, prefix, f"{ending}.flac")
    write_flac(path, sound, run.tags)
    return {"audio": [_listed(target, path)]}


def combine_video(
    run: Run,
    clip: Clip,
    prefix: str,
    tick: Tick,
    *,
    format_: str = "video/h264-mp4",
    audio: bool = False,
    temporary: bool = False,
    metadata: bool = True,
) -> Ui:
    """`VHS_VideoCombine`: a PNG of the first frame, the video, with sound a second video."""
    begun = begin_combining(run, clip, prefix, format_, temporary)
    path = begun.path
    if format_ == "image/gif":
        write_gif(path, clip, run.counting(tick))
    else:
        encode(path, clip, run.all_tags if metadata else {}, H264, run.counting(tick))
        path = _with_sound(run, path) if audio else path
    return list_combined(begun, path, clip.fps)


@dataclass(frozen=True, slots=True)
class Combining:
    """A video that VHS has begun to write."""

    target: Target
    picture: Path
    path: Path
    format: str
    temporary: bool


def begin_combining(
    run: Run, clip: Clip, prefix: str, format_: str, temporary: bool = False
) -> Combining:
    """Take a number, and write the picture that carries the metadata."""
    target = find_target(run.stage.temp_dir if temporary else run.stage.output_dir, prefix)
    stem = f"{target.name}_{next_vhs_number(target):05}"
    picture = target.folder / f"{stem}.png"
    run.begins(picture)
    write_png(picture, next(islice(clip.images(), 1)), run.all_tags)
    path = target.folder / f"{stem}.{'gif' if format_ == 'image/gif' else 'mp4'}"
    run.begins_main(path)
    return Combining(target, picture, path, format_, temporary)


def list_combined(begun: Combining, path: Path, fps: float) -> Ui:
    """What VHS tells of the finished `path`."""
    about = {"format": begun.format, "frame_rate": fps, "workflow": begun.picture.name}
    listed = _listed(begun.target, path, "temp" if begun.temporary else "output")
    return {"gifs": [listed | about | {"fullpath": str(path)}]}


def _with_sound(run: Run, silent: Path) -> Path:
    path = silent.with_name(f"{silent.stem}-audio{silent.suffix}")
    run.begins(path)
    add_sound(silent, path)
    run.main_file = path
    return path


def _numbered(run: Run, prefix: str, end: str) -> tuple[Target, Path]:
    target = find_target(run.stage.output_dir, prefix)
    number = next_number(target, run.stage.version.counts_every_number)
    path = target.folder / f"{target.name}_{number:05}{end}"
    run.begins_main(path)
    return target, path


def _listed(target: Target, path: Path, type_: str = "output") -> dict[str, str]:
    return {"filename": path.name, "subfolder": target.subfolder, "type": type_}
