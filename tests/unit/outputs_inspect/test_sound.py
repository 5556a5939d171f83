"""Sound files of every kind are found sound, and measured exactly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reconciler.outputs.inspect import inspect
from reconciler.outputs.wanted import Wanted

from .conftest import FRAMES, H264, RECIPES, SOUNDS, VIDEO, make

Studio = Callable[[str], Path]


@pytest.mark.parametrize("name", RECIPES)
def test_a_sound_video_has_no_defect_and_every_frame(studio: Studio, name: str) -> None:
    seen = inspect(studio(name))
    assert seen.defects == ()
    assert (seen.sound, seen.media, seen.frames) == (True, "video", FRAMES)


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_recording_has_a_duration_and_no_frames(studio: Studio, name: str) -> None:
    seen = inspect(studio(name))
    assert seen.defects == ()
    assert (seen.media, seen.frames, seen.width) == ("audio", None, None)
    assert seen.duration_s == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("h264.mp4", "h264", "mp4"),
        ("hevc.mp4", "hevc", "mp4"),
        ("prores.mov", "prores", "mov"),
        ("ffv1.mkv", "ffv1", "matroska"),
        ("vp9.webm", "vp9", "webm"),
        ("h264.avi", "h264", "avi"),
        ("moving.gif", "gif", "gif"),
    ],
)
def test_a_video_is_measured(studio: Studio, name: str, codec: str, container: str) -> None:
    seen = inspect(studio(name))
    assert (seen.codec, seen.container) == (codec, container)
    assert (seen.width, seen.height) == (64, 48)
    # gif counts hundredths of a second, so twelve frames of 1/24 s can be off by one of them
    assert seen.duration_s == pytest.approx(0.5, abs=0.011 if container == "gif" else 1e-4)
    assert seen.fps == pytest.approx(24, abs=0.5 if container == "gif" else 0.01)


def test_the_picture_is_measured_where_the_sound_lasts_longer(studio: Studio) -> None:
    assert inspect(studio("longer_sound.mp4")).duration_s == pytest.approx(0.5)


def test_a_variable_rate_is_averaged(studio: Studio) -> None:
    seen = inspect(studio("variable.mp4"))
    assert seen.duration_s is not None and seen.duration_s > 0.4
    assert seen.fps == pytest.approx(FRAMES / seen.duration_s, rel=1e-3)


@pytest.mark.parametrize("start_s", ["0.1", "0.25", "0.4"])
def test_an_edit_list_cuts_frames_away_and_is_no_damage(
    studio: Studio, tmp_path: Path, start_s: str
) -> None:
    cut = make(tmp_path / "cut.mp4", f"-ss {start_s} -i", str(studio("h264.mp4")), "-c", "copy")
    seen = inspect(cut)
    assert seen.defects == ()
    assert seen.frames is not None and seen.frames <= FRAMES - int(float(start_s) * 24)


def test_time_codes_at_a_rate_of_no_television_are_legal(tmp_path: Path) -> None:
    words = f"{VIDEO} {H264} -r 12 -timecode 01:00:00:00"
    assert inspect(make(tmp_path / "coded.mov", words)).defects == ()


@pytest.mark.parametrize("mimetype", ["text/plain", "application/json"])
def test_what_is_attached_is_no_damage(tmp_path: Path, mimetype: str) -> None:
    (tmp_path / "workflow.json").write_text("{}")
    words = f"{VIDEO} {H264} -attach {tmp_path}/workflow.json -metadata:s:t mimetype={mimetype}"
    assert inspect(make(tmp_path / "with.mkv", words)).defects == ()


def test_the_decoded_frames_are_counted_and_not_the_rate_that_is_declared(tmp_path: Path) -> None:
    """Without passthrough a gap of an hour would be filled with 86,400 frames."""
    gap = make(tmp_path / "gap.mp4", f"{VIDEO} {H264} -vf", "setpts=PTS+gte(N\\,6)*3600/TB",
               "-fps_mode", "passthrough")  # fmt: skip
    seen = inspect(gap)
    assert seen.frames == FRAMES
    assert {defect.kind for defect in seen.defects} == {"structure"}  # for such a gap is damage
    assert seen.duration_s is not None and seen.duration_s > 3600


@pytest.mark.parametrize(
    "name", ["still.png", "still.jpg", "still.webp", "still.bmp", "still.tiff"]
)
def test_a_still_is_one_frame(gallery: Path, name: str) -> None:
    seen = inspect(gallery / name)
    assert seen.defects == ()
    assert (seen.media, seen.frames, seen.fps, seen.duration_s) == ("image", 1, None, None)
    assert (seen.width, seen.height) == (64, 48)


@pytest.mark.parametrize("name", ["moving.webp", "moving.png"])
def test_an_animation_is_a_video_with_frames_and_a_rate(gallery: Path, name: str) -> None:
    seen = inspect(gallery / name)
    assert seen.defects == ()
    assert (seen.media, seen.frames, seen.fps) == ("video", FRAMES, 20.0)
    assert seen.duration_s == pytest.approx(FRAMES * 0.05)


def test_cover_art_makes_no_video_of_a_recording(
    studio: Studio, gallery: Path, tmp_path: Path
) -> None:
    inputs = ["-i", str(studio("sound.flac")), "-i", str(gallery / "still.jpg")]
    for name, codec in (("cover.m4a", "aac"), ("cover.mp3", "libmp3lame")):
        more = [*inputs, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", codec]
        seen = inspect(make(tmp_path / name, "", *more, "-disposition:v", "attached_pic"))
        assert (seen.media, seen.defects) == ("audio", ())


@pytest.mark.parametrize(
    "name",
    [
        b"with space.mp4",
        b'it\'s "quoted".mp4',
        b"-leading.mp4",
        b"co:lon.mp4",
        b"file:name.mp4",
        b"new\nline.mp4",
        b"%d percent %03d.mp4",
        b"not-utf8-\xff\xfe.mp4",
        "emoji-🎞.mp4".encode(),
    ],
)
def test_an_odd_name_is_only_a_name(studio: Studio, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copy(studio("h264.mp4"), path)
    seen = inspect(path)
    assert (seen.path, seen.frames, seen.defects) == (path, FRAMES, ())


@pytest.mark.parametrize("name", ["h264.mp4", "thin.mp4", "full_range.mp4", "moving.gif"])
def test_a_video_has_a_thumbnail_that_fits(studio: Studio, tmp_path: Path, name: str) -> None:
    seen = inspect(studio(name))
    assert seen.thumbnail is not None
    (tmp_path / "t.jpg").write_bytes(seen.thumbnail)
    with Image.open(tmp_path / "t.jpg") as picture:
        picture.load()
        assert max(picture.size) == min(320, seen.width or 0)


def test_a_still_has_a_thumbnail_and_none_where_none_is_wanted(gallery: Path) -> None:
    assert inspect(gallery / "still.png").thumbnail is not None
    assert inspect(gallery / "still.png", wanted=Wanted(thumbnail=False)).thumbnail is None


def test_a_video_has_no_thumbnail_where_none_is_wanted(studio: Studio) -> None:
    assert inspect(studio("h264.mp4"), wanted=Wanted(thumbnail=False)).thumbnail is None


def test_what_identifies_the_content_is_told(studio: Studio) -> None:
    state = studio("h264.mp4").stat()
    seen = inspect(studio("h264.mp4"))
    told = (seen.size_bytes, seen.mtime_ns, seen.inode)
    assert told == (state.st_size, state.st_mtime_ns, state.st_ino)
