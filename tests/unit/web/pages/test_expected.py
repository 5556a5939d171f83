"""What was expected beside what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.core.expectation import Expectation, Expected, ExpectedFrames, FrameRule
from reconciler.outputs.expected import told, unmet
from reconciler.outputs.inspection import Inspection
from reconciler.store.records import Event, StoryEvent
from reconciler.words import expected
from reconciler.words.expected import expectations
from tests.unit.cli.builders import NOW, job

FILM = Inspection(
    Path("f.mp4"), "video", 5_000, 1, 1, frames=71, fps=24.0, duration_s=2.958333, width=640,
    height=480, codec="h264", container="mp4", has_audio=False,
)  # fmt: skip


def judged(values: Expectation, by: str = "the row", film: Inspection = FILM) -> Any:
    """As the page shows what the inspection said of the film."""
    names = ("frames", "fps", "duration_s", "width", "height", "min_bytes", "audio")
    file = {
        "path": "f.mp4",
        "expected": list(told(film, Expected(values, dict.fromkeys(names, by)))),
        "defects": [defect.detail for defect in unmet(film, values)],
    }
    verdict = Event("status", "judged", evidence={"outputs": [file]})
    return expectations(job("failed"), [StoryEvent(1, NOW, 1, verdict)])


@pytest.mark.parametrize(
    ("values", "met"),
    [
        (Expectation(frames=ExpectedFrames(72)), False),
        (Expectation(frames=ExpectedFrames(71)), True),
        (Expectation(frames=ExpectedFrames(72, tolerance=1)), True),
        (Expectation(frames=ExpectedFrames(80, FrameRule.AT_LEAST)), False),
        (Expectation(frames=ExpectedFrames(72, also=(69,))), False),
        (Expectation(fps=24.0), True),
        (Expectation(fps=30.0), False),
        (Expectation(duration_s=3.0), True),
        (Expectation(duration_s=9.0), False),
        (Expectation(min_bytes=5_000), True),
        (Expectation(min_bytes=5_001), False),
        (Expectation(audio=True), False),
        (Expectation(audio=False), True),
    ],
)
def test_each_is_met_or_not_as_the_judgement_was(values: Expectation, met: bool) -> None:
    (row,) = judged(values).rows
    assert (row.met, row.by) == (met, "the row")


def test_of_width_and_height_the_wrong_one_is_told() -> None:
    rows = judged(Expectation(width=1280, height=480)).rows
    assert [(row.wanted, row.found, row.met) for row in rows] == [
        ("1280 pixels wide", "640", False),
        ("480 pixels high", "480", True),
    ]


def test_who_expected_it_may_be_said_in_brackets() -> None:
    by = "the workflow's node 7 (Save (mine)); the row says 81 frames"
    (row,) = judged(Expectation(frames=ExpectedFrames(72, tolerance=2)), by).rows
    assert (row.wanted, row.by, row.found) == ("72 frames (give or take 2)", by, "71")


def test_what_is_no_expectation_is_a_note() -> None:
    file = {"path": "f", "expected": ["the row's 81 frames are its column's default"]}
    verdict = StoryEvent(1, NOW, 1, Event("status", "judged", evidence={"outputs": [file]}))
    assert expectations(job("completed"), [verdict]) == expected.Expectations(
        (), ("the row's 81 frames are its column's default",)
    )


def test_before_a_judgement_the_row_speaks_and_nothing_is_known() -> None:
    (row,) = expectations(job("processing", frames=72), []).rows
    assert (row.wanted, row.found, row.met) == ("72 frames", None, None)
    assert expectations(job("processing"), []).rows == ()


def test_another_attempts_judgement_is_none() -> None:
    file = {"path": "f", "expected": ["expected 9 frames (the row), found 8"]}
    old = StoryEvent(1, NOW, 1, Event("status", "judged", evidence={"outputs": [file]}))
    assert expectations(job("processing", attempt=2), [old]).rows == ()


@pytest.mark.parametrize("outputs", [None, "text", [1, None], [{}], [{"expected": []}]])
def test_evidence_of_another_form_says_nothing(outputs: object) -> None:
    odd = StoryEvent(1, NOW, 1, Event("status", "judged", evidence={"outputs": outputs}))
    assert expectations(job("failed"), [odd]).rows == ()
