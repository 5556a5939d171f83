"""Rules for prompts that run, wait, or cannot be found."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.case import Case, Decision, Stage, facts, file_facts, seen
from reconciler.core.evidence import SHARED, Place, PromptEvidence
from reconciler.core.jobs import FailureCode, Status
from reconciler.core.limits import limits_of
from reconciler.core.stages import stage_of
from reconciler.core.stall import stall_reason


def worker_dead(case: Case) -> Decision | None:
    prompt = case.open
    if prompt is None or prompt.place is not Place.RUNNING or not prompt.worker_dead:
        return None
    reason = "ComfyUI's worker thread is dead: it answers, and will run nothing until a restart"
    decision = case.fail(FailureCode.WORKER_DEAD, "worker_dead", reason, prompt)
    return replace(decision, needs_second_look=True)


def running(case: Case) -> Decision | None:
    prompt = case.open
    if prompt is None or prompt.place is not Place.RUNNING:
        return None
    stalled = stall_reason(case.job, prompt, case.evidence, case.policy.stall, case.now)
    if stalled is None:
        return Decision(
            Status.PROCESSING,
            "running",
            f"running on {prompt.server or 'ComfyUI'}",
            stage=Stage.RUNNING,
            prompt_id=prompt.prompt_id,
            evidence=facts(prompt),
        )
    decision = case.fail(FailureCode.STALLED, "running", stalled, prompt)
    limits = limits_of(case.job, case.policy.stall, prompt.server, prompt.doing)
    stage = stage_of(prompt.doing)
    known = {
        "no_progress_s": limits.no_progress_s,
        "no_progress_by": limits.no_progress_by,
        "budget_s": limits.budget_s,
        "budget_by": limits.budget_by,
    } | ({} if stage is None else {"run_stage": stage.value})
    return replace(
        decision,
        evidence=dict(decision.evidence) | known,
        needs_second_look=True,
        interrupt=limits.interrupt,
    )


def blocked(case: Case) -> Decision | None:
    prompt = case.open
    if prompt is None or prompt.place is not Place.PENDING or not prompt.worker_dead:
        return None
    waiting = pending(case)
    if waiting is None or waiting.status is not Status.QUEUED:
        return None
    why = "its worker thread is dead, and nothing runs there before ComfyUI is restarted"
    return replace(waiting, rule="blocked", reason=f"{waiting.reason}: {why}")


def pending(case: Case) -> Decision | None:
    prompt = case.open
    if prompt is None or prompt.place is not Place.PENDING:
        return None
    limit, waited = case.policy.queue_timeout_s, case.now - case.job.opened_at
    # A prompt that another one queued: the job itself has long begun.
    begun = any(p.ending is not None for p in case.prompts)
    if limit is not None and waited > limit and not begun:
        reason = f"waited {waited:.0f} s in the queue (limit {limit:.0f} s)"
        decision = case.fail(FailureCode.QUEUE_TIMEOUT, "pending", reason, prompt)
        evidence = dict(decision.evidence) | {"opened_at": case.job.opened_at}
        return replace(decision, evidence=evidence, needs_second_look=True)
    place = f"number {prompt.position} in the queue" if prompt.position else "in the queue"
    return Decision(
        Status.QUEUED,
        "pending",
        f"{place}{f' of {prompt.server}' if prompt.server else ''}",
        stage=Stage.PENDING,
        prompt_id=prompt.prompt_id,
        position=prompt.position,
        evidence=facts(prompt) | ({"position": prompt.position} if prompt.position else {}),
    )


def unreachable(case: Case) -> Decision | None:
    since, prompt = case.evidence.unreachable_since, case.open
    if since is None or (prompt is not None and prompt.place is not Place.UNKNOWN):
        return None
    limit, down = case.policy.server_down_timeout_s, case.watched_for_s(since)
    how = case.evidence.unreachable_how or "unreachable"
    known: dict[str, object] = {"unreachable_since": since, "how": how}
    if how == SHARED:
        reason = "several ComfyUI servers answer behind one address: no evidence either way"
        return case.keep("unreachable", reason, **facts(prompt) | known)
    if prompt is not None and limit is not None and down > limit:
        reason = f"the server has not answered for {down:.0f} s ({how}; limit {limit:.0f} s)"
        decision = case.fail(FailureCode.SERVER_DOWN, "unreachable", reason, prompt)
        evidence = dict(decision.evidence) | known
        return replace(decision, evidence=evidence, needs_second_look=True)
    reason = f"the server does not answer ({how}): no evidence either way"
    return case.keep("unreachable", reason, **facts(prompt) | known)


def never_submitted(case: Case) -> Decision | None:
    prompt, job = case.absent, case.job
    since: float | None
    if prompt is None and (case.evidence.prompts or job.prompt_id is not None):
        return None
    if any(seen(p) for p in case.prompts):
        return None
    if prompt is None:
        limit, since = case.policy.submit_timeout_s, job.opened_at
        what = "it has no prompt id and no prompt carries its tag"
    else:
        # Missing since, not opened at: a server that does not answer is no evidence of absence.
        limit, since = case.policy.never_seen_timeout_s, prompt.missing_since
        what = f"no server ever knew its prompt id {prompt.prompt_id}"
    known = facts(prompt) | {"opened_at": job.opened_at}
    waited = 0.0 if since is None else case.watched_for_s(since)
    # A tagged file may yet turn up in the grace: failed first and completed later is no verdict.
    in_grace = prompt is not None and not case.gone(prompt)
    if limit is None or waited <= limit or in_grace:
        return case.keep("never_submitted", what, **known)
    reason = f"{what} ({waited:.0f} s; limit {limit:.0f} s)"
    decision = case.fail(FailureCode.NEVER_SUBMITTED, "never_submitted", reason, prompt)
    return replace(decision, evidence=known, needs_second_look=True)


def restarted(case: Case) -> Decision | None:
    prompt = case.absent
    if prompt is None or not case.restart_proven(prompt):
        return None
    reason = "ComfyUI was restarted and no longer knows the prompt (its boot id changed)"
    decision = case.fail(FailureCode.LOST, "restarted", reason, prompt)
    return replace(decision, needs_second_look=True)


def missing_briefly(case: Case) -> Decision | None:
    prompt = case.absent
    if prompt is None or case.missing_beyond_grace(prompt):
        return None
    return case.keep(
        "missing_briefly",
        f"neither in the queue nor in history ({prompt.missing_looks} of"
        f" {case.policy.lost_confirmations} looks, {case.policy.lost_grace_s:.0f} s grace)"
        f"{_noted(prompt)}",
        **facts(prompt),
    )


def lost(case: Case) -> Decision | None:
    prompt = case.absent
    if prompt is None:
        return None
    missing = 0.0 if prompt.missing_since is None else case.now - prompt.missing_since
    reason = (
        f"neither in the queue nor in history, in {prompt.missing_looks} looks over"
        f" {missing:.0f} s: ComfyUI was restarted, or the prompt deleted"
    )
    if prompt.noted is not None:
        reason = (
            f"no longer in history, and no whole file carries its tag, {missing:.0f} s after it was"
            f" missed first{_noted(prompt)}"
        )
    partial = case.evidence.tagged_outputs
    decision = case.fail(FailureCode.LOST, "lost", reason, prompt)
    evidence = dict(decision.evidence) | ({"partial_files": file_facts(partial)} if partial else {})
    return replace(decision, evidence=evidence, needs_second_look=True)


def _noted(prompt: PromptEvidence) -> str:
    """How the node pack says that it ended, though nothing tells more."""
    return "" if prompt.noted is None else f"; the node pack told that it ended: {prompt.noted}"


def no_answer(case: Case) -> Decision:
    known = facts(case.open) or {"prompt_id": case.job.prompt_id}
    return case.keep("no_answer", "no clean answer from the server yet", **known)
