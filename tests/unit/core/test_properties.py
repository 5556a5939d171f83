"""What holds for any job, evidence, policy and time, and for any sequence of them.

The conditions are written here a second time, in another form, so that a slip in the rules is not
repeated by their test.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.core.decide import RULES, decide
from reconciler.core.evidence import EndKind, Evidence, FileState, Place
from reconciler.core.jobs import FailureCode, Status
from tests.unit.core import strategies as any_

RULE_NAMES = {rule.name for rule in RULES}
KIND_OF = {
    FailureCode.EXECUTION_ERROR: EndKind.ERROR,
    FailureCode.OUT_OF_MEMORY: EndKind.ERROR,
    FailureCode.INTERRUPTED: EndKind.INTERRUPTED,
}
#: Field of the policy without which the verdict is never passed.
LIMIT_OF = {
    FailureCode.SERVER_DOWN: {"server_down_timeout_s"},
    FailureCode.QUEUE_TIMEOUT: {"queue_timeout_s"},
    FailureCode.NEVER_SUBMITTED: {"submit_timeout_s", "never_seen_timeout_s"},
}


def ended(evidence, kind):
    return [p for p in evidence.prompts if p.ending and p.ending.kind is kind]


def unended(evidence):
    return [p for p in evidence.prompts if p.ending is None]


def open_at_server(evidence):
    return [p for p in unended(evidence) if p.place in (Place.RUNNING, Place.PENDING)]


def unheard(evidence):
    return [p for p in unended(evidence) if p.place is Place.UNKNOWN]


def whole(outputs):
    return all(o.state is FileState.SOUND for o in outputs)


def taken(outputs, policy):
    states = {FileState.SOUND} | ({FileState.UNJUDGED} if policy.unjudged_completes else set())
    return all(o.state in states for o in outputs)


def missed_enough(prompt, policy, now):
    since = now if prompt.missing_since is None else prompt.missing_since
    enough = prompt.missing_looks >= policy.lost_confirmations
    return prompt.missing_since is not None and enough and now - since >= policy.lost_grace_s


def overdue(prompt, policy, now):
    changed = prompt.boot_changed_since
    restarted = changed is not None and now - changed >= policy.restart_grace_s
    return restarted or missed_enough(prompt, policy, now)


def ignoring_mistaken(evidence, policy, now):
    """Without prompt ids that no server knew for the whole grace, beside one that was seen."""
    known = [
        p for p in evidence.prompts if p.ever_seen or p.ending or p in open_at_server(evidence)
    ]
    mistaken = [
        p for p in evidence.prompts if known and p not in known and missed_enough(p, policy, now)
    ]
    return replace(evidence, prompts=tuple(p for p in evidence.prompts if p not in mistaken))


def proven(evidence: Evidence, policy) -> bool:
    """Nothing contradicts the success, and something beside silence speaks for it."""
    successes, missed = ended(evidence, EndKind.SUCCESS), unended(evidence)
    if not evidence.storage_healthy or len(successes) + len(missed) < len(evidence.prompts):
        return False
    if not taken((o for p in successes for o in p.outputs), policy) or unheard(evidence):
        return False
    if open_at_server(evidence):
        return False
    told = any(p.outputs for p in successes)
    tagged = bool(missed and evidence.tagged_outputs and whole(evidence.tagged_outputs))
    return told or tagged or (policy.allow_no_output and bool(successes))


def warranted(code: FailureCode, evidence: Evidence, policy, now) -> bool:
    """The least that must be known before a job fails in this way."""
    ok = code not in LIMIT_OF or any(getattr(policy, f) is not None for f in LIMIT_OF[code])
    files = [o for p in ended(evidence, EndKind.SUCCESS) for o in p.outputs]
    alive = open_at_server(evidence)
    if code in KIND_OF:
        ok &= bool(ended(evidence, KIND_OF[code]))
    elif code is FailureCode.STALLED:
        ok &= any(p.place is Place.RUNNING for p in alive) or any(
            p.interrupted_by_us for p in ended(evidence, EndKind.INTERRUPTED)
        )
    elif code is FailureCode.WORKER_DEAD:
        ok &= any(p.place is Place.RUNNING and p.worker_dead for p in alive)
    elif code is FailureCode.QUEUE_TIMEOUT:
        ok &= bool(alive)
    elif code is FailureCode.SERVER_DOWN:
        since = evidence.unreachable_since
        ok &= bool(unheard(evidence)) and not alive and since is not None
        ok &= since is not None and now - since > (policy.server_down_timeout_s or 0)
    elif code in (FailureCode.LOST, FailureCode.NEVER_SUBMITTED):
        ok &= (
            not alive
            and not unheard(evidence)
            and evidence.storage_healthy | (not evidence.prompts)
        )
    else:
        ok &= not alive and not unheard(evidence) and evidence.storage_healthy
    if code is FailureCode.LOST:
        missed = unended(ignoring_mistaken(evidence, policy, now))
        ok &= bool(missed) and all(overdue(p, policy, now) for p in missed)
    elif code is FailureCode.NEVER_SUBMITTED:
        ok &= not any(p.ever_seen or p.ending for p in evidence.prompts)
    elif code is FailureCode.MISSING_OUTPUT:
        ok &= any(o.state is FileState.ABSENT for o in files)
    elif code is FailureCode.INVALID_OUTPUT:
        ok &= any(o.state is FileState.UNSOUND and o.confirmed for o in files)
    elif code is FailureCode.UNJUDGED_OUTPUT:
        ok &= any(o.state is FileState.UNJUDGED and o.confirmed for o in files)
        ok &= not policy.unjudged_completes
        ok &= all(o.state in (FileState.SOUND, FileState.UNJUDGED) for o in files)
    elif code is FailureCode.NO_OUTPUT:
        ok &= not files and not policy.allow_no_output
    return ok


def applied(job, decision):
    return replace(job, status=decision.status, failure=decision.failure)


@any_.examples(300)
@given(any_.jobs, any_.evidences, any_.policies, any_.times)
def test_each_decision_is_whole(job, evidence, policy, now):
    decision = decide(job, evidence, policy, now)
    event(decision.rule)
    assert decision.rule in RULE_NAMES
    assert decision.reason.strip()
    assert decision.evidence
    assert json.loads(json.dumps(decision.evidence, allow_nan=False)) == decision.evidence
    assert (decision.status is Status.FAILED) or decision.failure is None
    assert not decision.interrupt or decision.prompt_id
    assert decision.status.is_final or not decision.needs_second_look


@any_.examples(100)
@given(any_.jobs, any_.evidences, any_.policies, any_.times)
def test_the_same_evidence_gives_the_same_decision(job, evidence, policy, now):
    first = decide(job, evidence, policy, now)
    other = pickle.loads(pickle.dumps((job, evidence, policy, now)))
    assert decide(job, evidence, policy, now) == first
    assert decide(*other) == first


@any_.examples(600)
@given(any_.open_jobs, any_.evidences, any_.policies, any_.times)
def test_no_verdict_without_its_evidence(job, evidence, policy, now):
    decision = decide(job, evidence, policy, now)
    event(f"{decision.status} {decision.failure}")
    if decision.status is Status.COMPLETED:
        assert proven(ignoring_mistaken(evidence, policy, now), policy)
    elif decision.status is Status.CANCELLED:
        assert ended(evidence, EndKind.REMOVED) or evidence.cancel_asked_by
        assert not ended(evidence, EndKind.ERROR)
        assert not open_at_server(evidence)
        assert not unheard(evidence)
    elif decision.status is Status.FAILED:
        assert warranted(decision.failure, evidence, policy, now)


@any_.examples(100)
@given(any_.open_jobs, any_.evidences, any_.policies, any_.times)
def test_silence_decides_nothing(job, evidence, policy, now):
    silent = tuple(replace(p, place=Place.UNKNOWN, ending=None) for p in evidence.prompts)
    decision = decide(job, replace(evidence, prompts=silent), policy, now)
    if decision.status is Status.CANCELLED:
        assert evidence.cancel_asked_by
        assert not silent
    elif decision.failure not in (FailureCode.SERVER_DOWN, FailureCode.NEVER_SUBMITTED):
        assert decision.status is job.status
    elif decision.failure is FailureCode.NEVER_SUBMITTED:
        assert not silent
        assert policy.submit_timeout_s is not None
    else:
        assert policy.server_down_timeout_s is not None


@any_.examples(400)
@given(any_.open_jobs, any_.evidences, any_.policies, st.lists(any_.times, min_size=2, max_size=8))
def test_time_alone_ends_a_job_at_most_once(job, evidence, policy, moments):
    told = [decide(job, evidence, policy, now).status for now in sorted(moments)]
    final = [status for status in told if status.is_final]
    assert told[len(told) - len(final) :] == final
    assert len(set(final)) <= 1


@any_.examples(200)
@given(any_.jobs, any_.policies, st.lists(st.tuples(any_.evidences, any_.times), max_size=12))
def test_a_final_row_is_left_by_proven_late_success_alone(job, policy, steps):
    for evidence, now in steps:
        decision = decide(job, evidence, policy, now)
        if job.status.is_final and decision.status is not job.status:
            event("late success")
            assert job.status is Status.FAILED
            assert job.failure is not None
            assert not job.failure.is_permanent
            assert decision.rule == "late_success"
            assert decision.status is Status.COMPLETED
            assert policy.accept_late_success
            strict = replace(policy, allow_no_output=False)
            assert proven(ignoring_mistaken(evidence, policy, now), strict)
        elif job.status.is_final:
            assert decision.failure is job.failure
        job = applied(job, decision)


@any_.examples(200)
@given(any_.open_jobs, any_.evidences, any_.policies, any_.times)
def test_a_verdict_stands_when_it_is_judged_again(job, evidence, policy, now):
    first = decide(job, evidence, policy, now)
    again = decide(applied(job, first), evidence, policy, now)
    if first.status.is_final:
        assert (again.status, again.failure) == (first.status, first.failure)
    else:
        assert replace(again, evidence={}) == replace(first, evidence={})


@any_.examples(50)
@given(any_.jobs, any_.wild_evidences, any_.policies, st.floats())
def test_no_value_makes_it_raise(job, evidence, policy, now):
    assert decide(job, evidence, policy, now).rule in RULE_NAMES
