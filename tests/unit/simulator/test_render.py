"""Media files: what is in them, how they grow, and what breaking off leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from reconciler.simulator.render import (
    H264,
    H264_FASTSTART,
    VP9,
    Clip,
    EncoderFailed,
    Sound,
    encode,
    make_tags,
    write_flac,
    write_gif,
    write_png,
    write_webp,
)
from tests.contract.media import container_tags

CLIP = Clip(6, 64, 48, seed=1, fps=12.0)
TAGS = {"prompt": '{"1": {}}', "job_id": '"42"'}


def no_wait(number: int) -> None:
    """As fast as it goes."""


def describe(path: Path) -> str:
    """What ffmpeg says about a file, decoded."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stderr


@pytest.mark.parametrize(
    ("name", "codec", "words"),
    [
        ("a.mp4", H264, ["h264", "yuv420p", "job_id          : "]),
        ("b.mp4", H264_FASTSTART, ["h264", "job_id          : "]),
        ("c.webm", VP9, ["vp9", "JOB_ID          : "]),
    ],
)
def test_a_video_has_what_was_asked_for(
    tmp_path: Path, name: str, codec: tuple[str, ...], words: list[str]
) -> None:
    path = tmp_path / name
    encode(path, CLIP, TAGS, codec, no_wait)
    told = describe(path)
    assert all(word in told for word in [*words, "64x48", "12 fps", "frame=    6"])


def test_a_part_of_the_file_can_be_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "growing.mp4"
    sizes: list[int] = []
    clip = Clip(2000, 64, 64)

    def until_seen_twice(number: int) -> None:
        if path.exists():
            sizes.append(path.stat().st_size)
        if len({size for size in sizes if size > 48}) > 1:
            raise StopIteration

    with pytest.raises(StopIteration):
        encode(path, clip, TAGS, H264, until_seen_twice)
    assert b"moov" not in path.read_bytes()


@pytest.mark.parametrize(("name", "write"), [("a.gif", write_gif), ("a.webp", write_webp)])
def test_an_animation_has_every_frame(
    tmp_path: Path, name: str, write: Callable[..., None]
) -> None:
    path = tmp_path / name
    ticks: list[int] = []
    tags = [] if write is write_gif else [TAGS]
    write(path, CLIP, *tags, ticks.append)
    assert ticks == list(range(CLIP.frames))
    with Image.open(path) as picture:
        assert getattr(picture, "n_frames", 1) == CLIP.frames
        assert picture.size == (64, 48)
        if tags:
            values = dict(picture.getexif())
            assert (values[0x0110], values[0x010F]) == ('prompt:{"1": {}}', 'job_id:"42"')


@pytest.mark.parametrize(("hertz", "channels"), [(440.0, 1), (0.0, 2)])
def test_a_sound_is_as_long_as_it_should_be(tmp_path: Path, hertz: float, channels: int) -> None:
    path = tmp_path / "a.flac"
    write_flac(path, Sound(0.5, hertz, 22050, channels), TAGS)
    told = describe(path)
    words = ["flac", "22050 Hz", ["mono", "stereo"][channels - 1], "Duration: 00:00:00.50"]
    assert all(word in told for word in words)
    assert {key: container_tags(path)[key] for key in TAGS} == TAGS
    assert (path.stat().st_size > 10_000) == (hertz > 0), "silence is small"


def test_a_still_has_its_tags_and_the_clips_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    first = next(CLIP.images())
    write_png(path, first, TAGS)
    with Image.open(path) as picture:
        assert {key: picture.info[key] for key in TAGS} == TAGS
        assert picture.tobytes() == first.tobytes()


def test_the_same_clip_gives_the_same_pictures_and_another_seed_others() -> None:
    pictures = [image.tobytes() for image in CLIP.images()]
    assert pictures == [image.tobytes() for image in CLIP.images()]
    assert len(set(pictures)) == CLIP.frames
    assert pictures[0] != next(Clip(1, 64, 48, seed=2).images()).tobytes()


def test_what_the_encoder_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncoderFailed, match="not divisible by 2"):
        encode(tmp_path / "odd.mp4", Clip(2, 63, 64), TAGS, H264, no_wait)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=40))
@example("a=b;c#d\\e\nf")
@example("\\")
def test_any_text_comes_back_from_the_tags_of_a_video(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tags.mp4"
    tags = make_tags({"1": {"inputs": {"text": text}}}, {"workflow": {"note": text}})
    encode(path, Clip(1, 16, 16), tags, H264, no_wait)
    read = container_tags(path)
    assert json.loads(read["prompt"])["1"]["inputs"]["text"] == text
    assert json.loads(read["workflow"])["note"] == text
