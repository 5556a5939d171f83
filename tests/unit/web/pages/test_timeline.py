"""What happened to a job, and how long its parts took."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.store.records import Event, StoryEvent
from reconciler.web.pages.job.timeline import MOST_EVENTS, Phase, phases, steps
from reconciler.web.pages.sentence import Moment
from reconciler.words.told import Told
from tests.unit.cli.builders import NOW, job, prompt

SUCCESS = Ending(EndKind.SUCCESS, Source.HISTORY, started_at=50.0, ended_at=58.0)


def event(number: int, at: float, **told: Any) -> StoryEvent:
    """An event of the first attempt."""
    return StoryEvent(number, at, 1, Event(**{"kind": "status", "reason": "because", **told}))


def test_each_step_says_how_long_after_the_one_before_it_came() -> None:
    told = [event(1, NOW), event(2, NOW + 13), event(3, NOW + 14.5)]
    assert [step.gap_s for step in steps(told)] == [None, 13, 1.5]
    assert [step.since_first_s for step in steps(told)] == [0, 13, 14.5]


def test_a_status_that_stays_is_no_change() -> None:
    same = event(1, NOW, from_status="queued", to_status="queued", failure="lost")
    first = event(2, NOW, to_status="queued")
    last = event(3, NOW, from_status="queued", to_status="failed", failure="lost")
    shown = [
        (step.from_status, step.to_status, step.failure) for step in steps([same, first, last])
    ]
    assert shown == [(None, None, None), ("new", "queued", None), ("queued", "failed", "lost")]


def test_evidence_is_in_words_with_instants_of_their_own() -> None:
    evidence = {"prompt_id": "p", "place": "running", "server": "gpu1", "running_since": NOW}
    lines = steps([event(1, NOW, evidence=evidence)])[0].evidence
    assert ("prompt p, running on gpu1",) in lines
    assert ("running since ", Moment(NOW)) in lines


def test_the_one_prompt_is_told_once() -> None:
    linked = event(1, NOW, kind="linked", evidence={"prompt_id": "p"})
    runs = event(2, NOW, evidence={"prompt_id": "p", "place": "running", "server": "gpu1"})
    another = event(3, NOW, evidence={"prompt_id": "q", "place": "absent"})
    assert [step.evidence for step in steps([linked, runs, another])] == [
        (),
        (("running on gpu1",),),
        (("prompt q, not found",),),
    ]


def test_of_an_endless_story_the_newest_are_shown() -> None:
    shown = steps([event(number, NOW + number) for number in range(MOST_EVENTS + 10)])
    assert (len(shown), shown[0].id, shown[0].gap_s) == (MOST_EVENTS, 10, 1)


def told(status: str, prompts: list[Any], **known: Any) -> Told:
    """A job that was opened a hundred seconds ago."""
    return Told(job(status, opened_at=NOW - 100, **known), [], prompts, [], NOW)


def test_waiting_ran_and_checked() -> None:
    ended = prompt(running_since=NOW - 90, ending=SUCCESS, ending_seen_at=NOW - 81)
    shown = phases(told("completed", [ended], completed_at=NOW - 79))
    # The run by ComfyUI's own clock, which no look delays.
    assert shown == [Phase("waited", 10), Phase("ran", 8), Phase("checked", 2)]


@pytest.mark.parametrize(
    ("prompts", "shown"),
    [
        ([], [Phase("waited", 100, True)]),
        ([prompt(running_since=NOW - 30)], [Phase("waited", 70), Phase("ran", 30, True)]),
        (
            [prompt(running_since=NOW - 30, ending=SUCCESS, ending_seen_at=NOW - 5)],
            [Phase("waited", 70), Phase("ran", 8), Phase("checked", 5, True)],
        ),
    ],
)
def test_what_goes_on_is_told_so_far(prompts: list[Any], shown: list[Phase]) -> None:
    assert phases(told("processing", prompts)) == shown


def test_a_run_between_two_looks_is_told_by_comfyui() -> None:
    ended = prompt(ending=SUCCESS, ending_seen_at=NOW - 10)
    shown = phases(told("completed", [ended], completed_at=NOW - 9))
    assert shown == [Phase("waited", 82), Phase("ran", 8), Phase("checked", 1)]


def test_nothing_is_checked_after_an_error() -> None:
    failed = replace(SUCCESS, kind=EndKind.ERROR)
    ended = prompt(running_since=NOW - 90, ending=failed, ending_seen_at=NOW - 81)
    shown = phases(told("failed", [ended], decided_at=NOW - 80))
    assert [phase.name for phase in shown] == ["waited", "ran"]


def test_clocks_that_run_backwards_make_no_negative_duration() -> None:
    ended = prompt(running_since=NOW - 200, ending=SUCCESS, ending_seen_at=NOW)
    assert all(phase.seconds >= 0 for phase in phases(told("processing", [ended])))
