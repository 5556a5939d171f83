"""Which thresholds of the stall rule hold for one prompt, and which setting says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.core.evidence import Doing
from reconciler.core.jobs import Job
from reconciler.core.policy import StallMatch, StallPolicy, StallRule
from reconciler.core.stages import is_like, stage_of

#: Who sets a threshold that no rule names.
DEFAULT_BY = "stall"


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds for one prompt now."""

    no_progress_s: float
    budget_s: float
    interrupt: bool
    #: The settings that say so: `stall`, or the rule, as `stall.rules[0]`.
    no_progress_by: str = DEFAULT_BY
    budget_by: str = DEFAULT_BY


def limits_of(
    job: Job, policy: StallPolicy, server: str | None = None, doing: Doing | None = None
) -> Limits:
    """Each threshold is that of the first rule that matches and names it, else the policy's own.

    `doing` may change from look to look, and the silence allowed with it. Rules about node or
    stage say nothing of the budget, which is one for the whole run: the settings refuse it.
    """
    frames = frames_of(job, policy)
    matching = [
        (f"{DEFAULT_BY}.rules[{position}]", rule)
        for position, rule in enumerate(policy.rules)
        if _matches(rule.match, job, frames, server, doing)
    ]

    def first(value_of: Callable[[StallRule], float | None], default: float) -> tuple[float, str]:
        named = ((value_of(rule), by) for by, rule in matching)
        return next(((value, by) for value, by in named if value is not None), (default, "stall"))

    no_progress_s, no_progress_by = first(lambda rule: rule.no_progress_s, policy.no_progress_s)
    base_s, base_by = first(lambda rule: rule.base_s, policy.base_s)
    per_frame_s, per_frame_by = first(lambda rule: rule.per_frame_s, policy.per_frame_s)
    interrupt, _ = first(lambda rule: rule.interrupt, policy.interrupt)
    return Limits(
        no_progress_s,
        base_s + per_frame_s * frames,
        bool(interrupt),
        no_progress_by,
        " and ".join(dict.fromkeys([base_by, per_frame_by])),
    )


def frames_of(job: Job, policy: StallPolicy) -> int:
    """The frames that thresholds are reckoned with. Unknown or below 0: the longest usual job."""
    return policy.unknown_frames if job.frames is None or job.frames < 0 else job.frames


def _matches(
    match: StallMatch, job: Job, frames: int, server: str | None, doing: Doing | None
) -> bool:
    node_type = doing.node_type if doing is not None else None
    return (
        (match.job_type is None or is_like(job.job_type, match.job_type))
        and (match.frames_at_least is None or frames >= match.frames_at_least)
        and (match.frames_at_most is None or frames <= match.frames_at_most)
        and (match.server is None or match.server == server)
        and (match.node_type is None or is_like(node_type, match.node_type))
        and (match.stage is None or match.stage is stage_of(doing))
    )
