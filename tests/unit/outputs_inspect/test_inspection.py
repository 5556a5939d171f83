"""Expectations, and text from outside made safe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.outputs.inspection import Defect, Inspection, check_frames
from reconciler.outputs.text import printable, shown_path

VIDEO = Inspection(Path("a.mp4"), "video", size_bytes=1, mtime_ns=1, inode=1, frames=71)


@pytest.mark.parametrize(
    ("frames", "expected", "tolerance", "words"),
    [
        (71, 72, 0, "71 of 72 frames"),
        (73, 72, 0, "73 of 72 frames"),
        (72, 72, 0, None),
        (71, 72, 1, None),
        (73, 72, 1, None),
        (70, 72, 1, "70 of 72 frames"),
        (None, 72, 5, "none of 72 frames could be counted"),
        (71, None, 0, None),
    ],
)
def test_frames_are_compared_with_the_expectation(
    frames: int | None, expected: int | None, tolerance: int, words: str | None
) -> None:
    found = check_frames(replace(VIDEO, frames=frames), expected, tolerance)
    assert found == (() if words is None else (Defect("frames", words),))


@pytest.mark.parametrize("media", ["image", "audio", "unknown"])
def test_only_a_video_has_frames_to_expect(media: str) -> None:
    assert check_frames(replace(VIDEO, media=media, frames=1), 120) == ()  # type: ignore[arg-type]


def test_sound_means_without_defect() -> None:
    assert VIDEO.sound
    assert not replace(VIDEO, defects=(Defect("decode", "x"),)).sound


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("half \udcff", "half \\udcff"),
        ("nul \0", "nul \\x00"),
        ("🎞 fine", "🎞 fine"),
    ],
)
def test_text_from_outside_is_shown_on_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_with_a_mark() -> None:
    assert printable("x" * 300, limit=10) == "xxxxxxxxx…"
    assert len(printable("\n" * 300, limit=10)) == 10
    assert printable("x" * 10, limit=10) == "x" * 10


def test_a_path_of_strange_bytes_can_be_shown() -> None:
    assert shown_path(Path("a\udcff\n.mp4")) == "a\\udcff\\n.mp4"
