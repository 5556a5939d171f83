"""What is told of checked files, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import RenderableType
from rich.table import Table

from reconciler.cli.check.checked import Checked, Found, judge
from reconciler.cli.check.report import JsonArray, JsonLines, Screen, Tally, summary
from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.errors import InspectionError, OutputError
from reconciler.outputs.inspection import Defect, Inspection
from tests.unit.cli.checking import CUT, sound, unreadable

UNSOUND = sound(defects=(CUT,))
UNJUDGED = sound(unjudged="no decoder")
WARNED = sound(warnings=(Defect("black", "black"),))
NOTHING = Expectation()


def tally(*files: Checked) -> Tally:
    made = Tally()
    for each in files:
        made.add(each)
    return made


@pytest.mark.parametrize(
    ("files", "code", "strict"),
    [
        ((sound(),), 0, 0),
        ((sound(), UNSOUND), 1, 1),
        ((sound(), UNJUDGED), 0, 1),
        ((WARNED,), 0, 1),
        ((unreadable(), UNSOUND), 2, 2),
    ],
)
def test_exit_codes(files: tuple[Checked, ...], code: int, strict: int) -> None:
    assert tally(*files).exit_code(strict=False) == code
    assert tally(*files).exit_code(strict=True) == strict


def test_the_summary_counts_every_verdict() -> None:
    made = tally(*[sound()] * 3, WARNED, UNSOUND, UNJUDGED, unreadable())
    assert made.words(3.21) == (
        "7 files: 4 sound (1 with warnings), 1 unsound, 1 unjudged, 1 unreadable in 3.2 s"
    )
    assert tally(UNSOUND).words(0.0) == "1 file: 1 unsound in 0.0 s"
    told = summary(tally(sound()), 1.0, interrupted=True)
    assert told.plain == "interrupted after 1 file: 1 sound in 1.0 s"
    assert tally().words(1.0) == "0 files in 1.0 s"


def test_of_a_file_that_comes_again_the_last_verdict_counts() -> None:
    made = Tally(repeats=True)
    for each in (UNSOUND, sound("b.mp4"), WARNED, UNJUDGED, sound()):
        made.add(each)
    assert made.words(1.0) == "2 files: 2 sound in 1.0 s"
    assert made.exit_code(strict=True) == 0


def test_what_is_wrong_outranks_what_cannot_be_judged() -> None:
    assert sound(unjudged="no decoder", defects=(CUT,)).found is Found.UNSOUND


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_is_whole_json_after_any_number(count: int) -> None:
    written: list[str] = []
    report = JsonArray(written.append, NOTHING)
    for _ in range(count):
        report.add(UNSOUND)
    report.end()
    told = json.loads("\n".join(written))
    assert [one["verdict"] for one in told] == ["unsound"] * count
    assert "\n".join(written) == json.dumps(told, indent=2)


def test_lines_are_json_each() -> None:
    written: list[str] = []
    expected = Expectation(frames=ExpectedFrames(72))
    report = JsonLines(written.append, expected)
    report.add(sound("a\n.mp4"))
    report.add(unreadable())
    report.end()
    first, second = map(json.loads, written)
    assert (first["path"], first["expected_frames"], first["sound"]) == ("a\n.mp4", 72, True)
    assert second["verdict"] == "unreadable"
    assert first.keys() == second.keys()
    assert not any("\n" in line for line in written)


def test_among_many_only_what_is_worth_a_look_is_shown() -> None:
    shown: list[RenderableType] = []
    screen = Screen(shown.append, 80, (), all_=False)
    for each in (sound(), sound(), WARNED, UNSOUND, UNJUDGED, unreadable(), sound()):
        screen.add(each)
    screen.end()
    assert len([one for one in shown if isinstance(one, Table)]) == 1 + 4  # and the header


def test_nothing_is_shown_of_many_sound_files() -> None:
    shown: list[RenderableType] = []
    screen = Screen(shown.append, 80, (), all_=False)
    screen.add(sound())
    screen.end()
    assert shown == []


@pytest.mark.parametrize("error", [OutputError, InspectionError])
def test_what_cannot_be_inspected_is_no_fault_of_the_check(error: type[Exception]) -> None:
    def fail(path: Path) -> Inspection:
        raise error(f"{path} cannot be opened: gone")

    told = judge(Path("a.mp4"), fail, NOTHING)
    assert told.found is Found.UNREADABLE
    assert told.defects == (Defect("unreadable", "cannot be opened: gone"),)


def test_what_was_expected_and_is_not_so_is_a_defect() -> None:
    inspection = sound().inspection
    assert inspection is not None
    told = judge(Path("a.mp4"), lambda path: inspection, Expectation(frames=ExpectedFrames(73)))
    assert told.found is Found.UNSOUND
    assert [defect.kind for defect in told.defects] == ["frames"]
