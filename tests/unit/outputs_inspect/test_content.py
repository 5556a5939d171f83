"""What a sound file shows is told as a warning, where asked for, and makes nothing unsound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from reconciler.outputs.content import Content, near_empty
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Inspection
from reconciler.outputs.wanted import Wanted

from .conftest import H264, SOUND, VIDEO, make

Studio = Callable[[str], Path]
ALL = Wanted(thumbnail=False, black=True, frozen_s=0.5, silent=True, near_empty=True)
BLACK = "-f lavfi -i color=black:size=64x48:rate=24:duration=1"
SILENCE = "-f lavfi -i anullsrc=duration=1"


def told(seen: Inspection) -> list[tuple[str, str]]:
    assert seen.defects == ()
    return [(warning.kind, warning.detail) for warning in seen.warnings]


def test_black_frozen_and_silent_are_told(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", f"{BLACK} {SILENCE} {H264} -c:a aac -t 1")
    assert told(inspect(path, wanted=ALL)) == [
        ("black", "black from end to end"),
        ("frozen", "frozen from 0.0 to 1.0 s"),
        ("silent", "its sound is silent from end to end"),
    ]
    assert inspect(path).warnings == ()


def test_a_video_that_moves_and_sounds_has_no_warning(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", f"{VIDEO} {SOUND} {H264} -c:a aac")
    assert told(inspect(path, wanted=ALL)) == []


def test_a_stretch_that_stands_still_is_told_with_its_seconds(tmp_path: Path) -> None:
    moving = f"{VIDEO},noise=alls=60:allf=t"
    still = "-vf tpad=stop_mode=clone:stop_duration=1 -qp 10"
    path = make(tmp_path / "a.mp4", f"{moving} {H264} {still}")
    (warning,) = inspect(path, wanted=ALL).warnings
    assert (warning.kind, warning.at_s) == ("frozen", pytest.approx(0.46, abs=0.06))
    assert warning.detail == "frozen from 0.5 to 1.5 s"


def test_what_is_black_for_a_while_only_is_not_black(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", f"{VIDEO} {H264} -vf tpad=start_duration=0.3:color=black")
    assert told(inspect(path, wanted=Wanted(black=True))) == []


def test_sound_that_begins_late_is_not_silent(tmp_path: Path) -> None:
    path = make(tmp_path / "a.m4a", f"{SOUND} -af adelay=500 -c:a aac")
    assert told(inspect(path, wanted=ALL)) == []


def test_a_recording_of_nothing_is_silent_and_has_no_picture_to_be_black(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", SILENCE)
    assert told(inspect(path, wanted=ALL)) == [("silent", "its sound is silent from end to end")]


def test_one_of_two_sounds_may_be_silent(tmp_path: Path) -> None:
    both = "-map 0 -map 1 -map 2"
    path = make(tmp_path / "a.mkv", f"{VIDEO} {SOUND} {SILENCE} {both} {H264} -c:a flac")
    assert told(inspect(path, wanted=Wanted(silent=True))) == []


@pytest.mark.parametrize(("name", "sounds"), [("h264.mp4", False), ("longer_sound.mp4", True)])
def test_whether_there_is_sound_is_told(studio: Studio, name: str, sounds: bool) -> None:
    assert inspect(studio(name)).has_audio is sounds


def test_lines_that_are_no_numbers_or_not_asked_for_are_passed_over() -> None:
    content = Content()
    for line in (b"frame:0 pts:0", b"lavfi.black_start=x", b"other=1", b"\xff", b"lavfi.black_end"):
        content.take(line)
    assert content.warnings(1.0, 1, ALL) == ()


def plain(mode: str, color: object) -> Image.Image:
    return Image.new(mode, (64, 48), color)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [
        plain("RGB", (90, 90, 90)),
        plain("L", 255),
        plain("1", 0),
        plain("P", 3),
        plain("RGBA", (1, 2, 3, 255)),
        plain("I;16", 40_000),
        plain("F", 0.5),
        Image.merge("RGBA", [*[Image.effect_noise((64, 48), 90)] * 3, plain("L", 0)]),
    ],
)
def test_one_color_is_near_empty(image: Image.Image) -> None:
    assert [warning.kind for warning in near_empty(image)] == ["near_empty"]


def test_a_line_of_writing_is_not_near_empty() -> None:
    page = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(page).text((9, 9), "a line of writing", fill="black")
    assert near_empty(page) == ()
    assert near_empty(Image.effect_noise((64, 48), 90)) == ()


def test_a_mask_that_lies_in_the_alpha_alone_is_not_near_empty() -> None:
    mask = Image.new("RGBA", (64, 48), (0, 0, 0, 0))
    mask.paste((0, 0, 0, 255), (0, 0, 32, 48))
    assert near_empty(mask) == ()
