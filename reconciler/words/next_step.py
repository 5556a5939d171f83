"""What happens next to a job, where its clocks and the settings decide that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.core.jobs import Job, Status
from reconciler.core.limits import DEFAULT_BY, limits_of
from reconciler.core.policy import Policy
from reconciler.settings import Settings
from reconciler.store.records import PromptRecord
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView
from reconciler.words.times import duration, local


@dataclass(frozen=True)
class Outlook:
    """A job, the clocks of its current attempt, and the thresholds that they run against."""

    job: JobView
    prompts: Sequence[PromptRecord]
    servers: Sequence[ServerRecord]
    policy: Policy
    late_s: float
    now: float
    #: Says an instant in the reader's time.
    at: Callable[[float], str]


def outlook(
    job: JobView,
    prompts: Sequence[PromptRecord],
    servers: Sequence[ServerRecord],
    settings: Settings,
    now: float,
    *,
    at: Callable[[float], str] | None = None,
) -> Outlook:
    """The outlook under these settings, which have to be those of the service.

    `at` says an instant in the reader's time; by default that is this machine's.
    """
    current = [prompt for prompt in prompts if prompt.attempt == job.attempt]
    late_s = settings.verdicts.late_success_s
    at = at or (lambda instant: local(instant, now))
    return Outlook(job, current, servers, settings.policy(), late_s, now, at)


def next_step(case: Outlook) -> str:
    """What will be done about the job, and when at the earliest, in a sentence or two."""
    job = case.job
    if job.left_alone:
        return "Nothing: the row keeps being overwritten against its evidence, so it is left alone."
    if not job.is_open:
        return _final(case)
    if job.rule is None:
        return "The service has not looked at this row yet; it does within a second or two."
    rules = {
        "running": _running,
        "pending": _pending,
        "blocked": _blocked,
        "unreachable": _unreachable,
        "never_submitted": _never_submitted,
        "missing_briefly": _missing,
        "validating": _validating,
    }
    if job.rule in rules:
        return rules[job.rule](case)
    if job.rule == "storage":
        return "Nothing until the output directory is back: files prove nothing while it is away."
    return "The next clean answer of the server decides."


def _final(case: Outlook) -> str:
    job = case.job
    if job.status not in {status.value for status in Status}:
        return "Nothing: the row says what is none of our statuses, so it is left alone."
    again = "only a row that is set back to queued begins a new attempt"
    revocable = job.failure is not None and not job.failure.is_permanent
    if not revocable or job.decided_at is None:
        return f"Nothing: {job.status} is final; {again}."
    until = job.decided_at + case.late_s
    if case.now >= until:
        return f"Nothing: the time for a late success ended {case.at(until)}; {again}."
    becomes = (
        "the row becomes completed" if case.policy.accept_late_success else "the story says so"
    )
    return f"If its success is proven before {case.at(until)}, {becomes}. Otherwise {again}."


def _running(case: Outlook) -> str:
    job = case.job
    row = Job(job.id, Status.PROCESSING, None, 1, job.prompt_id, 0.0, job.job_type, job.frames)
    running = [p for p in case.prompts if p.running_since is not None]
    prompt = max(running, key=lambda p: p.running_since or 0.0, default=None)
    server = None if prompt is None else prompt.server
    limits = limits_of(row, case.policy.stall, server, None if prompt is None else prompt.doing)
    silence = f"{duration(limits.no_progress_s)}{_by(limits.no_progress_by)}"
    words = f"It will be called stalled after {silence} without a sign of life, where one is heard"
    if prompt is None or prompt.running_since is None:
        return f"{words}."
    unwatched_s = next((s.unwatched_s for s in case.servers if s.name == server), 0.0)
    unwatched_s = max(unwatched_s - prompt.unwatched_before_s, 0.0)
    latest = case.at(prompt.running_since + unwatched_s + limits.budget_s)
    budget = f"budget {duration(limits.budget_s)}{_by(limits.budget_by)}"
    return f"{words}, and at the latest at {latest} ({budget})."


def _by(setting: str) -> str:
    return "" if setting == DEFAULT_BY else f" by {setting}"


def _pending(case: Outlook) -> str:
    limit, opened = case.policy.queue_timeout_s, case.job.opened_at
    if limit is None or opened is None:
        return "It waits for its turn, without a limit (timeouts.queue_s is not set)."
    return (
        f"It will be called failed (queue_timeout) at {case.at(opened + limit)} if it waits still."
    )


def _blocked(case: Outlook) -> str:
    return f"It waits until ComfyUI is restarted: what runs prompts there is dead. {_pending(case)}"


def _unreachable(case: Outlook) -> str:
    limit = case.policy.server_down_timeout_s
    names = {prompt.server for prompt in case.prompts if prompt.server}
    if any(s.is_shared(case.now) for s in case.servers if not names or s.name in names):
        return (
            "It stays as it is until one and the same ComfyUI has answered for an hour, the"
            " settings give each its own url, or a manifest tells its end."
        )
    since = [
        server.unreachable_since
        for server in case.servers
        if server.unreachable_since is not None and (not names or server.name in names)
    ]
    if limit is None or not since or not case.prompts:
        return "Nothing is concluded from silence: it stays as it is until the server answers."
    return (
        "It stays as it is until the server answers, and will be called failed (server_down) if"
        f" that takes until {case.at(max(since) + limit)} or longer."
    )


def _never_submitted(case: Outlook) -> str:
    missing = [p.missing_since for p in case.prompts if p.missing_since is not None]
    if missing:
        limit, since, name = case.policy.never_seen_timeout_s, max(missing), "never_seen_s"
    elif case.job.opened_at is not None:
        limit, since, name = case.policy.submit_timeout_s, case.job.opened_at, "submit_s"
    else:
        limit, since, name = None, 0.0, "submit_s"
    if limit is None:
        return f"It waits for its prompt, without a limit (timeouts.{name} is not set)."
    return (
        f"It will be called failed (never_submitted) at {case.at(since + limit)}, unless its prompt"
        " turns up before."
    )


def _missing(case: Outlook) -> str:
    missing = [p for p in case.prompts if p.missing_since is not None and p.ending is None]
    if not missing:
        return "The next look decides."
    least = max(missing, key=lambda prompt: prompt.missing_since or 0.0)
    lost_at = (least.missing_since or 0.0) + case.policy.lost_grace_s
    return (
        f"It will be called lost after {case.at(lost_at)} and {case.policy.lost_confirmations}"
        f" clean looks ({least.missing_looks} so far), unless it turns up or whole files with its"
        " tag prove its success."
    )


def _validating(case: Outlook) -> str:
    words = "It will be completed as soon as every output has been found whole"
    seen = [p.ending_seen_at for p in case.prompts if p.ending_seen_at is not None]
    if not seen:
        return f"{words}."
    gone_at = case.at(max(seen) + case.policy.missing_output_grace_s)
    return (
        f"{words}. A damaged one counts once a second inspection confirms it; one that is not on"
        f" disk counts as missing from {gone_at} on."
    )
