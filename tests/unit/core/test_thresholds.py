"""Both sides of each threshold of the policy, with the evidence otherwise the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.evidence import FileState
from reconciler.core.jobs import FailureCode
from reconciler.core.policy import Policy
from tests.unit.core.builders import NOW, absent, file, job, judge, pending, prompt, success

#: A moment's difference; at this size of a clock floats still tell it apart.
MOMENT = 0.01
LIMITS = Policy(
    queue_timeout_s=70,
    submit_timeout_s=80,
    never_seen_timeout_s=90,
    server_down_timeout_s=110,
    missing_output_grace_s=20,
    lost_grace_s=50,
    restart_grace_s=15,
)
YOUNG = {"missing_looks": 1, "missing_since": NOW}

#: name: prompts, further evidence, the job's fields, seconds that are allowed, the verdict after.
CLOCKS = {
    "queue": ((pending(),), {}, {}, 70, FailureCode.QUEUE_TIMEOUT),
    "submit": ((), {}, {"prompt_id": None}, 80, FailureCode.NEVER_SUBMITTED),
    "never_seen": (
        (absent(ever_seen=False, missing_since=NOW),),
        {},
        {},
        90,
        FailureCode.NEVER_SUBMITTED,
    ),
    "server_down": (
        (prompt(),),
        {"unreachable_since": NOW},
        {},
        110,
        FailureCode.SERVER_DOWN,
    ),
}
#: The same for graces, which are over when the time is reached, not when it is exceeded.
GRACES = {
    "missing_output": (
        (success(file(FileState.ABSENT), ending_seen_at=NOW),),
        20,
        FailureCode.MISSING_OUTPUT,
    ),
    "lost": ((absent(missing_since=NOW),), 50, FailureCode.LOST),
    "restart": ((absent(**YOUNG, boot_changed_since=NOW),), 15, FailureCode.LOST),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_a_limit_must_be_exceeded(name):
    prompts, evidence, fields, limit, code = CLOCKS[name]
    row = job(opened_at=NOW, **fields)
    at = [
        judge(*prompts, of=row, policy=LIMITS, now=NOW + limit + d, **evidence).failure
        for d in (-MOMENT, 0, MOMENT)
    ]
    assert at == [None, None, code]


@pytest.mark.parametrize("name", CLOCKS)
def test_no_limit_is_no_verdict(name):
    prompts, evidence, fields, _, _ = CLOCKS[name]
    unlimited = replace(
        LIMITS,
        queue_timeout_s=None,
        submit_timeout_s=None,
        never_seen_timeout_s=None,
        server_down_timeout_s=None,
    )
    row = job(opened_at=NOW, **fields)
    assert judge(*prompts, of=row, policy=unlimited, now=NOW + 1e9, **evidence).failure is None


@pytest.mark.parametrize("name", GRACES)
def test_a_grace_must_be_over(name):
    prompts, grace, code = GRACES[name]
    at = [judge(*prompts, policy=LIMITS, now=NOW + grace + d).failure for d in (-MOMENT, 0, MOMENT)]
    assert at == [None, code, code]


@pytest.mark.parametrize(("looks", "code"), [(2, None), (3, FailureCode.LOST)])
def test_a_loss_needs_looks_as_well_as_time(looks, code):
    assert judge(absent(missing_looks=looks)).failure is code


@pytest.mark.parametrize(("grace", "rule"), [(49, "missing_briefly"), (50, "tagged_output")])
def test_tagged_outputs_wait_for_the_same_grace(grace, rule):
    prompts = (absent(missing_since=NOW),)
    at = judge(*prompts, policy=LIMITS, now=NOW + grace, tagged_outputs=(file(),))
    assert at.rule == rule


def test_a_clock_that_was_set_back_is_no_verdict():
    for prompts, evidence, fields, _, _ in CLOCKS.values():
        row = job(opened_at=NOW, **fields)
        assert judge(*prompts, of=row, policy=LIMITS, now=NOW - 1e5, **evidence).failure is None
    for prompts, _, _ in GRACES.values():
        assert judge(*prompts, policy=LIMITS, now=NOW - 1e5).failure is None
