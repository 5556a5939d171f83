"""What is said about what happens next: the thresholds of the settings, as clock times."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.evidence import Doing
from reconciler.core.jobs import FailureCode
from reconciler.settings import Settings
from reconciler.store.records import PromptRecord
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView
from reconciler.words.next_step import next_step, outlook
from reconciler.words.servers import nobody_looks
from reconciler.words.times import local
from tests.unit.cli.builders import NOW, job, prompt

SILENT = ServerRecord("gpu", "http://gpu", unreachable_since=NOW - 60)


def said(
    view: JobView, *prompts: PromptRecord, servers: tuple[ServerRecord, ...] = (), **settings: Any
) -> str:
    return next_step(outlook(view, prompts, servers, Settings(**settings), NOW))


def at(seconds: float) -> str:
    return local(NOW + seconds, NOW)


def test_a_missing_prompt_is_lost_after_grace_and_looks() -> None:
    words = said(job(rule="missing_briefly"), prompt(missing_looks=2, missing_since=NOW - 20))
    assert f"called lost after {at(40)} and 3 clean looks (2 so far)" in words


def test_the_prompt_that_is_missed_least_decides() -> None:
    words = said(
        job(rule="missing_briefly"),
        prompt(missing_since=NOW - 50),
        prompt(missing_since=NOW - 10),
        prompt(missing_since=NOW, attempt=2),
    )
    assert at(50) in words


def test_a_running_prompt_has_silence_and_budget_as_limits() -> None:
    words = said(job(rule="running", frames=72), prompt(running_since=NOW - 100))
    assert "after 15 min without a sign of life" in words
    assert f"at the latest at {at(180 + 72 * 30 - 100)} (budget 39 min)" in words
    assert "at the latest" not in said(job(rule="running"), prompt())


def test_limits_of_a_running_prompt_name_the_rule_that_set_them() -> None:
    rules = [
        {"match": {"stage": "loading"}, "no_progress_s": 3600},
        {"match": {"server": "gpu"}, "budget": {"base_s": 600, "per_frame_s": 0}},
    ]
    loading = prompt(running_since=NOW - 100, server="gpu", doing=Doing("1", "VAELoader"))
    words = said(job(rule="running", frames=72), loading, stall={"rules": rules})
    assert "after 1 h by stall.rules[0] without a sign of life" in words
    assert f"at the latest at {at(500)} (budget 10 min by stall.rules[1])" in words


def test_seconds_that_nobody_watched_are_left_out_of_the_outlook() -> None:
    server = ServerRecord("gpu", "http://gpu", unwatched_s=7_500.0)
    shown = prompt(running_since=NOW - 7_300, server="gpu", unwatched_before_s=300.0)
    words = said(job(rule="running", frames=72), shown, servers=(server,))
    assert f"at the latest at {at(180 + 72 * 30 - 100)} (budget 39 min)" in words


def test_a_queue_has_no_limit_unless_one_is_set() -> None:
    assert "without a limit (timeouts.queue_s" in said(job("queued", rule="pending"))
    limited = said(job("queued", rule="pending"), timeouts={"queue_s": 300})
    assert f"(queue_timeout) at {at(200)}" in limited


def test_a_silent_server_has_a_limit_only_for_jobs_with_a_prompt() -> None:
    view = job(rule="unreachable")
    with_prompt = said(view, prompt(server="gpu"), servers=(SILENT,))
    assert f"(server_down) if that takes until {at(3600 - 60)}" in with_prompt
    for words in (
        said(view, servers=(SILENT,)),
        said(view, prompt(server="other"), servers=(SILENT,)),
        said(view, prompt(), servers=(SILENT,), timeouts={"server_down_s": None}),
    ):
        assert words.startswith("Nothing is concluded from silence")


def test_a_row_without_its_prompt_waits_as_long_as_the_settings_say() -> None:
    view = job("queued", rule="never_submitted")
    assert "(timeouts.submit_s is not set)" in said(view)
    assert f"(never_submitted) at {at(100)}" in said(view, timeouts={"submit_s": 200})
    named = prompt(missing_since=NOW - 600)
    assert f"(never_submitted) at {at(3000)}" in said(view, named)
    assert "never_seen_s is not set" in said(view, named, timeouts={"never_seen_s": None})
    assert "without a limit" in said(job("queued", rule="never_submitted", opened_at=None))


def test_outputs_that_are_checked() -> None:
    view = job(rule="validating")
    assert f"missing from {at(20)} on" in said(view, prompt(ending_seen_at=NOW - 10))
    assert said(view).endswith("found whole.")


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (job("queued", rule=None), "has not looked at this row yet"),
        (job(rule="storage"), "until the output directory is back"),
        (job(rule="no_answer"), "next clean answer"),
        (job(rule="running", left_alone=True), "keeps being overwritten"),
        (job(rule="missing_briefly"), "next look decides"),
        (job("completed"), "Nothing: completed is final"),
        (job("cancelled"), "Nothing: cancelled is final"),
        (job("archived"), "none of our statuses"),
        (job("failed"), "Nothing: failed is final"),
        (job("failed", failure=FailureCode.OUT_OF_MEMORY), "Nothing: failed is final"),
    ],
)
def test_the_rest(view: JobView, words: str) -> None:
    assert words in said(view)


def test_a_late_success_is_waited_for_and_not_for_ever() -> None:
    fresh = job("failed", failure=FailureCode.LOST, decided_at=NOW - 86_400 + 60)
    assert f"proven before {at(60)}, the row becomes completed" in said(fresh)
    assert "the story says so" in said(fresh, verdicts={"late_success": "ignore"})
    old = job("failed", failure=FailureCode.LOST, decided_at=NOW - 86_400 - 60)
    assert f"ended {at(-60)}" in said(old)


def test_several_servers_are_waited_for_without_a_limit() -> None:
    several = ServerRecord("gpu", "http://gpu", boot_returned_at=NOW - 60)
    words = next_step(outlook(job(rule="unreachable"), [], [several], Settings(), NOW))
    assert "one and the same ComfyUI has answered for an hour" in words


def test_every_rule_of_the_table_has_its_words() -> None:
    from reconciler.core.decide import RULES

    for rule in RULES:
        assert len(said(job(rule=rule.name))) > 20


def test_nobody_looks_only_where_that_can_be_told() -> None:
    settings = Settings(reconcile={"interval_s": 20})
    fresh = ServerRecord("a", "http://a", answered_at=NOW - 119)
    old = ServerRecord("b", "http://b", answered_at=NOW - 121)
    assert nobody_looks([], settings, NOW) is None
    assert nobody_looks([old, fresh], settings, NOW) is None
    assert nobody_looks([old, SILENT], settings, NOW) is None
    words = nobody_looks([old], settings, NOW)
    assert words is not None
    assert "for 2 min 1 s: is the service running" in words
