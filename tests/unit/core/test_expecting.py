"""Which source of an expectation counts, and what the rules by job type make of it."""

from __future__ import annotations

from typing import Any

from reconciler.core.expectation import Expectation, Expected, ExpectedFrames, FrameRule, Stated
from reconciler.core.expecting import ExpectPolicy, ExpectRule, expected_of


def frames(count: int) -> Expectation:
    return Expectation(frames=ExpectedFrames(count))


def of(row: Expectation, policy: ExpectPolicy | None = None, **more: Any) -> Expected:
    known = {"frames_by_default": False, "others": (), "workflow": None} | more
    return expected_of("film", row, policy=policy or ExpectPolicy(), **known)


def rules(*rules: ExpectRule) -> ExpectPolicy:
    return ExpectPolicy(rules=rules)


def test_each_field_is_of_the_first_that_says_it() -> None:
    workflow = Stated("the workflow", Expectation(ExpectedFrames(81), fps=16))
    settings = rules(ExpectRule("film", values=Expectation(fps=24, audio=True)))
    found = of(frames(72), settings, workflow=workflow)
    assert found.values == Expectation(ExpectedFrames(72), fps=24, audio=True)
    assert found.by == {
        "frames": "the row; the workflow says 81 frames",
        "fps": "expectations.rules[0]; the workflow says 16 frames a second",
        "audio": "expectations.rules[0]",
    }


def test_a_factor_multiplies_the_row_and_nobody_else() -> None:
    policy = rules(ExpectRule("FI*", frame_factor=2, frame_tolerance=1))
    found = of(frames(72), policy, others=(Stated("node", frames(143)),))
    assert found.values.frames == ExpectedFrames(144, FrameRule.EXACT, 1, (143,))
    assert found.by["frames"].startswith("the row, 72 times 2; node says 143 frames")


def test_frames_can_be_off_for_a_job_type_whoever_expects_them() -> None:
    policy = rules(ExpectRule("film", frames=FrameRule.IGNORE))
    assert of(frames(72), policy, others=(Stated("node", frames(9)),)).values == Expectation()


def test_the_first_matching_rule_that_names_a_field_counts() -> None:
    other = ExpectRule("still", frames=FrameRule.IGNORE)
    first = ExpectRule("film", refuse=frozenset({"black"}))
    second = ExpectRule("*", frames=FrameRule.AT_LEAST, refuse=frozenset())
    found = of(frames(72), rules(other, first, second))
    assert found.values.frames == ExpectedFrames(72, FrameRule.AT_LEAST)
    assert found.refuse == {"black"}


def test_a_default_gives_way_to_whoever_says_something() -> None:
    alone = of(frames(120), frames_by_default=True)
    assert (alone.values.frames, alone.default_frames) == (None, 120)
    beside = of(frames(120), frames_by_default=True, others=(Stated("node", frames(9)),))
    assert (beside.values.frames, beside.default_frames) == (ExpectedFrames(9), None)


def test_columns_and_graphs_are_believed_as_the_settings_say() -> None:
    row = Expectation(ExpectedFrames(72), fps=24, width=512)
    assert of(row).values == frames(72)
    policy = ExpectPolicy(columns=frozenset({"width"}), workflow=False)
    assert of(row, policy, workflow=Stated("w", frames(9))).values == Expectation(width=512)
