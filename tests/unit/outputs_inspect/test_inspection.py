"""Values, and text from outside made safe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.text import printable, shown_path

VIDEO = Inspection(Path("a.mp4"), "video", size_bytes=1, mtime_ns=1, inode=1, frames=71)


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
