"""How far a check is, in words that change seldom."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.outputs.progress import Progress
from reconciler.reconcile.checks import TELL_S, Checks

A, B = Path("/out/a.mp4"), Path("/out/b.mp4")


@pytest.mark.parametrize(
    ("progress", "expected", "words"),
    [
        (Progress(310.0, 7440, of_s=740.0), None, "41 % checked (310 of 740 s)"),
        (Progress(None, 74, of_frames=175), None, "42 % checked (74 of 175 frames)"),
        (Progress(None, 74), 100, "74 % checked (74 of 100 frames)"),
        (Progress(3.0, 74, of_frames=148), 100, "50 % checked (74 of 148 frames)"),
        (Progress(None, 74), None, "74 frames checked so far"),
        (Progress(61.2), None, "61 s checked so far"),
        (Progress(900.0, of_s=740.0), None, "99 % checked (900 of 740 s)"),
        (Progress(0.0, of_s=0.0), None, "0 s checked so far"),
        (Progress(), 72, None),
        (Progress(1.0, of_s=5e-324), None, "99 % checked (1 of 0 s)"),
    ],
)
def test_words(progress: Progress, expected: int | None, words: str | None) -> None:
    checks = Checks()
    checks.heard(A, progress)
    assert checks.words(A, expected) == words
    assert checks.words(B, expected) is None


def test_the_words_change_with_the_percent_alone() -> None:
    checks, told = Checks(lambda: 0.0), set()
    for tenth in range(10_000):
        checks.heard(A, Progress(tenth / 10, of_s=1000.0))
        told.add(checks.words(A))
    assert len(told) == 100


def test_without_a_total_the_words_change_now_and_then() -> None:
    now = 0.0
    checks = Checks(lambda: now)
    checks.heard(A, Progress(frames=10))
    assert checks.words(A) == "10 frames checked so far"
    checks.heard(A, Progress(frames=20))
    now = TELL_S - 0.1
    assert checks.words(A) == "10 frames checked so far"
    now = TELL_S
    assert checks.words(A) == "20 frames checked so far"


def test_what_has_ended_is_forgotten() -> None:
    checks = Checks()
    checks.heard(A, Progress(1.0, of_s=2.0))
    assert checks.words(A) is not None
    checks.done(A)
    checks.done(B)
    assert checks.words(A) is None
