"""When a running prompt counts as stalled: silence first, the runtime budget second."""

from __future__ import annotations

from reconciler.core.evidence import Evidence, PromptEvidence
from reconciler.core.jobs import Job
from reconciler.core.limits import DEFAULT_BY, Limits, limits_of
from reconciler.core.policy import StallPolicy
from reconciler.core.words import duration

#: An older last sign than the silence that counts is told besides, in seconds.
_WORTH_TELLING_S = 60.0


def runtime_budget_s(job: Job, policy: StallPolicy, server: str | None = None) -> float:
    """Seconds that this job may run. Frames unknown or below 0: the longest usual job."""
    return limits_of(job, policy, server).budget_s


def silence_s(prompt: PromptEvidence, evidence: Evidence, now: float) -> float | None:
    """Seconds since the last sign of life, or None where nobody was there to hear one.

    Silence is now minus the last sign, never the gap between two signs. It counts only while a
    source that could have broken it was connected, and not while the storage is away: the growth
    of a file is a sign too, and an unmounted directory shows none.
    """
    if prompt.witness_since is None or not evidence.storage_healthy:
        return None
    signs = [prompt.witness_since, evidence.watching_since]
    signs += [t for t in (prompt.last_sign_at, prompt.running_since) if t is not None]
    return now - max(signs)


def ran_s(prompt: PromptEvidence, now: float) -> float | None:
    """Seconds that it has run while it was watched; None where its start is not known."""
    if prompt.running_since is None:
        return None
    return now - prompt.running_since - prompt.unwatched_s


def stall_reason(
    job: Job, prompt: PromptEvidence, evidence: Evidence, policy: StallPolicy, now: float
) -> str | None:
    """Why this running prompt counts as stalled, in words, or None where it does not."""
    if now - evidence.watching_since < policy.startup_grace_s:
        return None
    limits = limits_of(job, policy, prompt.server, prompt.doing)
    silent = silence_s(prompt, evidence, now)
    if silent is not None and silent > limits.no_progress_s:
        return _silent(prompt, silent, limits, now)
    ran = ran_s(prompt, now)
    if ran is None or ran <= limits.budget_s:
        return None
    if _may_get_on(prompt, silent, limits, policy, now):
        return None
    return _too_long(job, prompt, ran, limits, now)


def _may_get_on(
    prompt: PromptEvidence, silent: float | None, limits: Limits, policy: StallPolicy, now: float
) -> bool:
    """Whether one that is over its budget may be slow and not stalled: it was heard lately."""
    if prompt.witness_since is not None:
        return silent is None or silent <= policy.quiet_s
    # Nobody listens now. Where somebody did, that may be so for a moment only.
    heard = prompt.last_sign_at
    return policy.quiet_s > 0 and heard is not None and now - heard <= limits.no_progress_s


def _silent(prompt: PromptEvidence, silent: float, limits: Limits, now: float) -> str:
    """Such as: no progress for 15 min at node 7 (KSampler), step 12 of 30 (limit 15 min)."""
    what = "no sign of life" if prompt.doing is None else "no progress"
    where = "" if prompt.doing is None else f" at {prompt.doing}"
    heard = prompt.last_sign_at
    long_ago = heard is not None and now - heard > silent + _WORTH_TELLING_S
    # Not all the time since then was listened to: an outage, or a start of the reconciler.
    last = f", last heard {duration(now - heard)} ago" if long_ago and heard is not None else ""
    limit = f"limit {duration(limits.no_progress_s)}{_by(limits.no_progress_by)}"
    return f"{what} for {duration(silent)}{where}{last} ({limit})"


def _too_long(job: Job, prompt: PromptEvidence, ran: float, limits: Limits, now: float) -> str:
    frames = "unknown" if job.frames is None else job.frames
    budget = f"budget {duration(limits.budget_s)}{_by(limits.budget_by)}, frames: {frames}"
    words = f"running for {duration(ran)} ({budget})"
    if prompt.unwatched_s >= 1:
        words += f", besides {duration(prompt.unwatched_s)} in which nobody could watch it"
    if prompt.doing is not None:
        heard = prompt.last_sign_at
        when = "" if heard is None else f" {duration(now - heard)} ago"
        return f"{words}; last heard{when} at {prompt.doing}"
    if prompt.witness_since is None:
        return (
            f"{words}; nothing tells us of its progress, so a slow run, a hang and a dead worker"
            " look the same, and only the budget applies"
        )
    return words


def _by(setting: str) -> str:
    return "" if setting == DEFAULT_BY else f" by {setting}"
