"""Which row wins where several could apply: one prompt, several prompts, prompts and storage."""

from __future__ import annotations

from itertools import permutations

import pytest

from reconciler.core.evidence import EndKind, FileState, Place
from reconciler.core.jobs import FailureCode, Status
from reconciler.core.policy import Policy
from tests.unit.core.builders import (
    NOW,
    absent,
    broken,
    ended,
    failed,
    file,
    judge,
    pending,
    prompt,
    running,
    success,
)

#: From what says most about a job to what says least.
KINDS = {
    "error": ended(EndKind.ERROR),
    "running": running(),
    "pending": pending(),
    "no_answer": prompt(Place.UNKNOWN),
    "lost": absent(),
}
ORDER = list(KINDS)


@pytest.mark.parametrize("stronger", ORDER)
def test_the_prompt_that_says_most_decides_whatever_the_order(stronger):
    weaker = [KINDS[name] for name in ORDER[ORDER.index(stronger) + 1 :]]
    for prompts in permutations([KINDS[stronger], *weaker]):
        assert judge(*prompts).rule == stronger


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("other", [success(file()), success(broken()), success()])
def test_an_open_prompt_outranks_an_ended_success(name, other):
    assert judge(other, KINDS[name]).rule == name
    assert judge(KINDS[name], other).rule == name


@pytest.mark.parametrize("name", ORDER)
def test_a_removed_follow_up_cancels_only_what_is_no_longer_open(name):
    assert judge(ended(EndKind.REMOVED), KINDS[name]).rule == name


def test_success_and_removed_is_cancelled():
    for prompts in permutations([success(file()), ended(EndKind.REMOVED, prompt_id="p2")]):
        assert judge(*prompts).status is Status.CANCELLED


def test_error_beats_removed():
    for prompts in permutations([ended(EndKind.ERROR), ended(EndKind.REMOVED)]):
        assert judge(*prompts).failure is FailureCode.EXECUTION_ERROR


@pytest.mark.parametrize(
    ("prompts", "rule"),
    [
        ((ended(EndKind.ERROR),), "error"),
        ((ended(EndKind.REMOVED),), "removed"),
        ((running(),), "running"),
        ((running(worker_dead=True),), "worker_dead"),
        ((pending(worker_dead=True),), "blocked"),
        ((pending(),), "pending"),
        ((success(file()), running()), "running"),
    ],
)
def test_an_absent_storage_hides_nothing_that_needs_no_files(prompts, rule):
    assert judge(*prompts, storage_healthy=False).rule == rule


@pytest.mark.parametrize("prompts", [(success(file()),), (success(broken()),), (absent(),)])
def test_an_absent_storage_proves_nothing_to_a_failed_job(prompts):
    row = failed(FailureCode.MISSING_OUTPUT)
    assert judge(*prompts, of=row, storage_healthy=False, tagged_outputs=(file(),)).rule == "failed"


def test_an_unreachable_server_hides_no_ending():
    down = {"unreachable_since": NOW - 90_000}
    assert judge(ended(EndKind.ERROR), **down).rule == "error"
    assert judge(success(file()), **down).rule == "success"
    assert judge(ended(EndKind.REMOVED), **down).rule == "removed"


def test_an_unreachable_server_outlives_tagged_outputs_and_restarts():
    unknown = prompt(missing_looks=9, missing_since=NOW - 600, boot_changed_since=NOW - 600)
    decision = judge(unknown, unreachable_since=NOW - 10, tagged_outputs=(file(),))
    assert decision.rule == "unreachable"


def test_a_whole_file_beats_the_restart_and_the_loss():
    gone = absent(boot_changed_since=NOW - 600)
    assert judge(gone).rule == "restarted"
    assert judge(gone, tagged_outputs=(file(),)).rule == "tagged_output"


def test_damage_beats_absence_and_both_beat_waiting():
    away, unchecked = file(FileState.ABSENT), file(FileState.UNCHECKED)
    assert judge(success(away, broken(), unchecked), now=NOW + 60).rule == "invalid_output"
    assert judge(success(away, unchecked), now=NOW + 60).rule == "missing_output"
    assert judge(success(unchecked), now=NOW + 60).rule == "validating"


def test_a_dead_worker_beats_the_stall():
    silent = running(worker_dead=True, witness_since=NOW - 5000)
    assert judge(silent, now=NOW + 5000).failure is FailureCode.WORKER_DEAD


def test_an_allowed_empty_success_does_not_excuse_an_absent_file():
    policy = Policy(allow_no_output=True)
    lacking = success(file(FileState.ABSENT))
    assert judge(lacking, policy=policy, now=NOW + 60).failure is FailureCode.MISSING_OUTPUT
