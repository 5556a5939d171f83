"""Checked files on a screen of 80 columns."""

from __future__ import annotations

import io
import unicodedata

import pytest
from rich.cells import cell_len
from rich.console import Console

from reconciler.cli.check import lines
from reconciler.cli.check.checked import Checked
from reconciler.outputs.inspection import Defect
from tests.unit.cli.checking import CUT, sound, unreadable


def shown(checked: Checked, width: int = 80, name: int = 5) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False)
    console.print(lines.line(checked, width, name))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_sound_file_has_one_line() -> None:
    facts = "24 fps, 3 s, 256x128, h264, in mp4"
    assert shown(sound()) == [f"sound            72  a.mp4  {facts}"]
    assert shown(sound(), name=8) == [f"sound            72  a.mp4     {facts}"]


def test_facts_that_have_no_room_are_left_out() -> None:
    name = "n" * 40 + ".mp4"
    assert shown(sound(name)) == [f"sound            72  {name}  24 fps, 3 s"]
    assert shown(sound("n" * 58)) == [f"sound            72  {'n' * 58}"]
    assert len(shown(sound("n" * 60))) == 2


@pytest.mark.parametrize(
    ("checked", "cell"),
    [
        (sound(frames=None, defects=(CUT,)), "?"),
        (sound(media="image", frames=1), "-"),
        (sound(media="audio", frames=None), "-"),
        (unreadable(), "-"),
    ],
)
def test_the_cell_of_the_frames(checked: Checked, cell: str) -> None:
    assert shown(checked)[0].split()[1] == cell


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        (CUT, "structure: moov box missing"),
        (Defect("frames", "71 of 72 frames"), "71 of 72 frames"),
        (Defect("not_media", "a text"), "not media: a text"),
        (Defect("decode", "broken", offset=48), "decode: broken (at byte 48)"),
        (Defect("decode", "broken", at_s=2.0411), "decode: broken (at 2.04 s)"),
        (Defect("decode", "broken", 48, 0.0), "decode: broken (at byte 48, 0.00 s)"),
        (Defect("structure", "no box at byte 48", 48), "structure: no box at byte 48"),
    ],
)
def test_what_is_wrong_and_where(defect: Defect, words: str) -> None:
    first, second = shown(sound(defects=(defect,)))
    assert first.startswith("UNSOUND")
    assert second.strip() == words


def test_the_other_verdicts_say_why() -> None:
    first, second = shown(sound("a.avif", unjudged="avif cannot be decoded"))
    assert first.startswith("unjudged ")
    assert second.strip() == "avif cannot be decoded"
    first, second = shown(unreadable())
    assert first.startswith("UNREADABLE ")
    assert second.strip() == "cannot be opened: gone"
    first, second = shown(sound(warnings=(Defect("black", "black from end to end"),)))
    assert first.startswith("sound ")
    assert second.strip() == "warning: black from end to end"


HOSTILE = "new\nline \x1b[31m \x9b2J \u202e \udcff :boom: [red]x[/red] 🎬🎬 " + "長い名前" * 30


@pytest.mark.parametrize("width", [40, 80, 120])
def test_hostile_text_stays_on_its_lines(width: int) -> None:
    defect = Defect("decode", HOSTILE)
    told = shown(sound(HOSTILE, codec=HOSTILE, defects=(defect,), warnings=(defect,)), width)
    assert all(cell_len(line) <= width for line in told)
    assert all(line.startswith(" " * 21) for line in told[1:])
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in "".join(told))
    assert "[red]x[/red]" in "".join(line[21:] for line in told)
