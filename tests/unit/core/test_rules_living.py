"""Each row of the table about prompts that run, wait or cannot be found, by the row's name."""

from __future__ import annotations

import pytest

from reconciler.core.case import Stage
from reconciler.core.evidence import SHARED, EndKind, Place
from reconciler.core.jobs import FailureCode, Status
from reconciler.core.policy import Policy, StallPolicy
from tests.unit.core.builders import (
    NOW,
    absent,
    file,
    job,
    judge,
    pending,
    prompt,
    running,
    success,
)

OPEN = [Status.QUEUED, Status.PROCESSING]
UNSEEN = absent(ever_seen=False)


def test_rule_worker_dead():
    decision = judge(running(worker_dead=True))
    assert (decision.rule, decision.status) == ("worker_dead", Status.FAILED)
    assert decision.failure is FailureCode.WORKER_DEAD
    assert "until a restart" in decision.reason
    assert decision.needs_second_look
    # What waits in that queue may yet run, after the restart.
    assert judge(pending(worker_dead=True)).status is Status.QUEUED


def test_rule_running():
    decision = judge(running(), of=job(Status.QUEUED))
    assert (decision.rule, decision.status) == ("running", Status.PROCESSING)
    assert (decision.stage, decision.prompt_id) == (Stage.RUNNING, "p1")
    assert decision.reason == "running on gpu-1"
    assert decision.evidence["running_since"] == NOW - 10
    assert not decision.needs_second_look


@pytest.mark.parametrize("interrupt", [False, True])
def test_rule_running__stalled(interrupt):
    policy = Policy(stall=StallPolicy(interrupt=interrupt))
    decision = judge(running(witness_since=NOW - 2000), policy=policy, now=NOW + 2000)
    assert (decision.rule, decision.status) == ("running", Status.FAILED)
    assert decision.failure is FailureCode.STALLED
    assert "no sign of life for 33 min 30 s (limit 15 min)" in decision.reason
    assert decision.evidence["budget_s"] == 180 + 30 * 72
    assert decision.evidence["no_progress_by"] == decision.evidence["budget_by"] == "stall"
    assert decision.needs_second_look
    assert (decision.interrupt, decision.prompt_id) == (interrupt, "p1")


def test_rule_blocked():
    decision = judge(pending(worker_dead=True))
    assert (decision.rule, decision.status, decision.position) == ("blocked", Status.QUEUED, 3)
    assert "number 3 in the queue of gpu-1: its worker thread is dead" in decision.reason
    assert decision.evidence["worker_dead"] is True
    policy = Policy(queue_timeout_s=50)
    assert judge(pending(worker_dead=True), policy=policy).failure is FailureCode.QUEUE_TIMEOUT


def test_rule_pending():
    decision = judge(pending(), of=job(Status.PROCESSING))
    assert (decision.rule, decision.status) == ("pending", Status.QUEUED)
    assert (decision.stage, decision.position) == (Stage.PENDING, 3)
    assert decision.reason == "number 3 in the queue of gpu-1"
    assert judge(pending(position=None, server=None)).reason == "in the queue"


def test_rule_pending__never_times_out_unless_told_to():
    assert judge(pending(), now=NOW + 1e8).status is Status.QUEUED
    decision = judge(pending(), policy=Policy(queue_timeout_s=50))
    assert (decision.rule, decision.failure) == ("pending", FailureCode.QUEUE_TIMEOUT)
    assert decision.reason == "waited 100 s in the queue (limit 50 s)"
    assert decision.needs_second_look
    assert decision.evidence["opened_at"] == NOW - 100


def test_rule_pending__a_job_whose_first_prompt_ran_is_no_longer_waiting_to_start():
    policy = Policy(queue_timeout_s=50)
    decision = judge(success(), pending(prompt_id="p2"), policy=policy)
    assert (decision.status, decision.prompt_id) == (Status.QUEUED, "p2")


@pytest.mark.parametrize("status", OPEN)
@pytest.mark.parametrize("how", ["refused", "timeout", "answer", None])
def test_rule_unreachable(status, how):
    since = {"unreachable_since": NOW - 30, "unreachable_how": how}
    for prompts in ((prompt(),), ()):
        decision = judge(*prompts, of=job(status), **since)
        assert (decision.rule, decision.status) == ("unreachable", status)
        assert decision.evidence["unreachable_since"] == NOW - 30
        assert f"({how or 'unreachable'})" in decision.reason


def test_rule_unreachable__for_longer_than_allowed():
    decision = judge(prompt(), unreachable_since=NOW - 3601, unreachable_how="refused")
    assert (decision.rule, decision.status) == ("unreachable", Status.FAILED)
    assert decision.failure is FailureCode.SERVER_DOWN
    assert decision.reason == "the server has not answered for 3601 s (refused; limit 3600 s)"
    assert decision.needs_second_look
    assert decision.evidence["how"] == "refused"


def test_rule_unreachable__nobody_saw_what_the_server_did_before_the_reconciler_came_up():
    seen = {"unreachable_since": NOW - 90_000, "watching_since": NOW - 10}
    assert judge(prompt(), **seen).status is Status.PROCESSING
    assert judge(prompt(), **seen, now=NOW + 3591).failure is FailureCode.SERVER_DOWN


def test_rule_unreachable__several_servers_are_not_down():
    evidence = {"unreachable_since": NOW - 1e6, "unreachable_how": SHARED}
    decision = judge(prompt(Place.UNKNOWN), **evidence)
    assert (decision.rule, decision.status) == ("unreachable", Status.PROCESSING)
    assert "several ComfyUI servers answer behind one address" in decision.reason


def test_rule_unreachable__no_limit_no_verdict():
    policy = Policy(server_down_timeout_s=None)
    decision = judge(prompt(), unreachable_since=0.0, policy=policy, watching_since=0.0)
    assert decision.status is Status.PROCESSING
    # A job without a prompt has lost nothing on that server.
    assert judge(unreachable_since=0.0, watching_since=0.0).status is Status.PROCESSING


@pytest.mark.parametrize("status", OPEN)
def test_rule_never_submitted(status):
    decision = judge(of=job(status, prompt_id=None))
    assert (decision.rule, decision.status) == ("never_submitted", status)
    assert "no prompt carries its tag" in decision.reason
    decision = judge(UNSEEN, of=job(status))
    assert (decision.rule, decision.status) == ("never_submitted", status)
    assert "prompt id p1" in decision.reason


def test_rule_never_submitted__after_its_time():
    decision = judge(of=job(prompt_id=None), policy=Policy(submit_timeout_s=60))
    assert decision.failure is FailureCode.NEVER_SUBMITTED
    assert "(100 s; limit 60 s)" in decision.reason
    assert decision.needs_second_look
    decision = judge(UNSEEN, now=NOW + 3600)
    assert decision.failure is FailureCode.NEVER_SUBMITTED
    assert "(4200 s; limit 3600 s)" in decision.reason
    assert decision.evidence["missing_since"] == NOW - 600


def test_rule_never_submitted__silence_of_the_server_is_not_absence():
    old = job(opened_at=NOW - 90_000)
    assert judge(absent(ever_seen=False, missing_since=NOW), of=old).status is Status.PROCESSING
    assert judge(absent(ever_seen=False, missing_since=None), of=old).status is Status.PROCESSING
    assert judge(UNSEEN, of=old, watching_since=NOW - 1, now=NOW + 3000).status is Status.PROCESSING


def test_rule_never_submitted__a_limit_shorter_than_the_grace_of_a_loss_waits_for_it():
    eager = Policy(never_seen_timeout_s=10)
    young = absent(ever_seen=False, missing_since=NOW - 59)
    assert judge(young, policy=eager).status is Status.PROCESSING
    assert judge(young, policy=eager, now=NOW + 1).failure is FailureCode.NEVER_SUBMITTED
    assert judge(young, policy=eager, now=NOW + 1, tagged_outputs=(file(),)).failure is None


def test_rule_never_submitted__a_tagged_file_is_a_sighting():
    assert judge(UNSEEN, tagged_outputs=(file(),)).rule == "tagged_output"


def test_rule_never_submitted__not_beside_a_prompt_that_was_seen():
    mistyped = absent(ever_seen=False, prompt_id="typo")
    assert judge(mistyped, success(file())).status is Status.COMPLETED
    assert judge(mistyped, absent()).rule == "lost"
    # It may be on its way to the server: the grace of a lost prompt goes first.
    young = absent(ever_seen=False, prompt_id="typo", missing_since=NOW - 59)
    assert judge(young, success(file())).rule == "missing_briefly"


def test_rule_restarted():
    decision = judge(absent(missing_looks=1, missing_since=NOW - 20, boot_changed_since=NOW - 20))
    assert (decision.rule, decision.status) == ("restarted", Status.FAILED)
    assert decision.failure is FailureCode.LOST
    assert "restarted" in decision.reason
    assert decision.evidence["boot_changed_since"] == NOW - 20
    assert decision.needs_second_look


def test_rule_restarted__forgets_nothing_that_was_never_seen():
    mistyped = absent(ever_seen=False, prompt_id="typo", boot_changed_since=NOW - 600)
    assert judge(mistyped).rule == "never_submitted"
    assert judge(mistyped, success(file())).rule == "success"
    young = absent(ever_seen=False, missing_looks=1, boot_changed_since=NOW - 600)
    assert judge(young, success(file())).rule == "missing_briefly"


def test_rule_restarted__waits_for_whole_tagged_files_no_longer_than_for_the_loss():
    young = absent(missing_looks=1, missing_since=NOW - 20, boot_changed_since=NOW - 20)
    decision = judge(young, tagged_outputs=(file(),))
    assert (decision.rule, decision.status) == ("tagged_output", Status.COMPLETED)


@pytest.mark.parametrize("status", OPEN)
def test_rule_missing_briefly(status):
    decision = judge(absent(missing_looks=2), of=job(status))
    assert (decision.rule, decision.status) == ("missing_briefly", status)
    assert "2 of 3 looks, 60 s grace" in decision.reason


def test_rule_missing_briefly__the_prompt_missed_least_speaks_for_all():
    young = absent(prompt_id="p2", missing_since=NOW - 1)
    for prompts in ((absent(), young), (young, absent())):
        assert judge(*prompts).rule == "missing_briefly"


def test_rule_lost():
    decision = judge(absent())
    assert (decision.rule, decision.status) == ("lost", Status.FAILED)
    assert decision.failure is FailureCode.LOST
    assert "9 looks over 600 s" in decision.reason
    assert decision.needs_second_look
    assert "partial_files" not in decision.evidence


@pytest.mark.parametrize("missing_looks", [1, 9])
def test_rule_lost__says_what_the_node_pack_told(missing_looks):
    known = {"missing_looks": missing_looks, "noted": EndKind.SUCCESS, "noted_at": NOW - 700}
    decision = judge(absent(**known))
    assert decision.rule == ("lost" if missing_looks == 9 else "missing_briefly")
    assert decision.reason.endswith("the node pack told that it ended: success")
    assert (decision.evidence["noted"], decision.evidence["noted_at"]) == ("success", NOW - 700)


def test_rule_lost__names_the_partial_files():
    half = (file(path="a.png", node_id="9"),)
    decision = judge(absent(output_nodes=2), tagged_outputs=half)
    assert decision.failure is FailureCode.LOST
    assert decision.evidence["partial_files"] == [
        {"path": "a.png", "state": "sound", "proof": "decoded"}
    ]


@pytest.mark.parametrize("status", OPEN)
def test_rule_no_answer(status):
    for prompts in ((prompt(Place.UNKNOWN),), ()):
        decision = judge(*prompts, of=job(status), policy=Policy(submit_timeout_s=1), now=NOW + 1e8)
        assert (decision.rule, decision.status) == ("no_answer", status)
        assert decision.evidence["prompt_id"] == "p1"
