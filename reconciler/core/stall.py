"""When a running prompt counts as stalled: silence first, the runtime budget second."""

from __future__ import annotations

from reconciler.core.evidence import Evidence, PromptEvidence
from reconciler.core.jobs import Job
from reconciler.core.policy import StallPolicy


def runtime_budget_s(job: Job, policy: StallPolicy) -> float:
    """Seconds that this job may run. Frames unknown or below 0: the longest usual job."""
    frames = policy.unknown_frames if job.frames is None or job.frames < 0 else job.frames
    return policy.base_s + policy.per_frame_s * frames


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


def stall_reason(
    job: Job, prompt: PromptEvidence, evidence: Evidence, policy: StallPolicy, now: float
) -> str | None:
    """Why this running prompt counts as stalled, in words, or None where it does not."""
    if now - evidence.watching_since < policy.startup_grace_s:
        return None
    silent = silence_s(prompt, evidence, now)
    if silent is not None and silent > policy.no_progress_s:
        return f"no sign of life for {silent:.0f} s (limit {policy.no_progress_s:.0f} s)"
    if prompt.running_since is None:
        return None
    running, budget = now - prompt.running_since, runtime_budget_s(job, policy)
    if running > budget:
        frames = "unknown" if job.frames is None else job.frames
        return f"running for {running:.0f} s (budget {budget:.0f} s, frames: {frames})"
    return None
