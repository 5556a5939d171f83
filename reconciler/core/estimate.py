"""How far a running prompt is, and how long it will still take. Small, and no better than it says.

Progress   (nodes done + part of the current node) / nodes of the graph, as if each node took
           equally long. Nodes that were cached count as done. It never goes back within an
           attempt and says 99 at most: only a proven success is 100.
Prior      a third of the runtime budget, which is three times what such jobs really take.
Time left  by the prior:     prior - elapsed
           as measured:      elapsed * (1 - progress) / progress
           Below 5 % the prior alone speaks (and nothing, once it is used up), from 50 % the
           measurement alone, and in between their mean, weighted by the way from 5 to 50.
Wait       the time left of what runs, and the priors of all that stands before it in the queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.jobs import Job
from reconciler.core.policy import StallPolicy
from reconciler.core.stall import runtime_budget_s

#: The budget is this many times the real duration (`StallPolicy`).
BUDGET_FACTOR = 3.0
#: Per cent below which the prior alone is believed, and from which the measurement alone is.
PRIOR_UNTIL, MEASURED_FROM = 5, 50
#: The most that a job may show before its success is proven.
MOST = 99


@dataclass(frozen=True, slots=True)
class Work:
    """What ComfyUI told of a running prompt's progress."""

    #: Nodes of the graph; None where the graph is not known.
    nodes_total: int | None = None
    #: Nodes that ran or were cached.
    nodes_done: int = 0
    #: Progress of the current node: step `value` of `maximum`.
    value: float = 0.0
    maximum: float | None = None


def percent(work: Work, previous: int = 0) -> int:
    """Progress in whole per cent, 0 to 99, and never below `previous` (0 for a new attempt).

    An unknown graph, or numbers that make no sense, leave it where it was.
    """
    previous = min(max(previous, 0), MOST)
    if work.nodes_total is None or work.nodes_total <= 0:
        return previous
    done = min(max(work.nodes_done, 0), work.nodes_total)
    done_percent = 100 * (done + _part(work)) / work.nodes_total
    return max(previous, min(math.floor(done_percent), MOST))


def expected_s(job: Job, policy: StallPolicy, server: str | None = None) -> float:
    """Seconds that such a job usually runs on that server."""
    return max(runtime_budget_s(job, policy, server), 0.0) / BUDGET_FACTOR


def left_s(progress: int, elapsed_s: float, prior_s: float) -> float | None:
    """Seconds until a running prompt ends, or None where nothing honest can be said.

    `progress` is a result of `percent`, `prior_s` one of `expected_s`.
    """
    elapsed_s = max(elapsed_s, 0.0)
    by_prior = max(prior_s - elapsed_s, 0.0)
    if progress < PRIOR_UNTIL:
        return by_prior or None
    measured = elapsed_s * (100 - progress) / progress
    trust = min((progress - PRIOR_UNTIL) / (MEASURED_FROM - PRIOR_UNTIL), 1.0)
    return trust * measured + (1 - trust) * by_prior


def wait_s(ahead_s: Iterable[float], running_left_s: float | None = 0.0) -> float:
    """Seconds before a pending prompt starts.

    `ahead_s` holds the expected duration of each prompt before it in the queue, whoever submitted
    it; `running_left_s` what the running one still takes (unknown counts as nothing).
    """
    return max(running_left_s or 0.0, 0.0) + math.fsum(max(s, 0.0) for s in ahead_s)


def _part(work: Work) -> float:
    """The current node's share of itself, 0 to 1."""
    if work.maximum is None or not work.maximum > 0 or not work.value > 0:
        return 0.0
    if not math.isfinite(work.maximum):
        return 0.0
    return min(work.value / work.maximum, 1.0)
