"""How far a running prompt is, and how long it will still take (docs/progress.md).

Progress   What its nodes took before, of those that are done, as part of that of all that are to
           run; cached nodes weigh nothing, and the current node counts by its steps, else by its
           time. Where nothing of the workflow is known each node of the graph weighs the same. It
           never goes back within an attempt and says 99 at most: only a proven success is 100.
Time left  What the nodes to come took before, at the pace of this run so far. Where its nodes are
           not known: what remains of past durations that are longer than what has passed, and the
           more of what its progress says the further it is.
Wait       The time left of what runs, and the durations of all that stands before it in the queue.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.jobs import Job
from reconciler.core.nodes import NodeLesson, NodeLessons
from reconciler.core.policy import RunStage, StallPolicy
from reconciler.core.spans import Span, added, between
from reconciler.core.stages import stage_of_type
from reconciler.core.stall import runtime_budget_s

#: The budget is this many times the real duration (`StallPolicy`).
BUDGET_FACTOR = 3.0
#: The most that a job may show before its success is proven.
MOST = 99
#: A node that counts no steps shows no more of itself than this.
MOST_BY_TIME = 0.9
#: The part of a run after which its own pace counts as much as that of its like.
PACE_FROM = 0.35
#: How far off a pace may be that is believed: a stumble early on is no pace. As a logarithm.
MOST_OFF = 0.7
#: How far off a progress is that weighs all nodes alike, at the start and near the end; and one
#: that weighs them by their types.
VAGUE, LESS_VAGUE = 1.6, 0.6
BY_TYPE, LATE_BY_TYPE = 1.2, 0.4
#: A part of a run that counts as seen before, at the expected speed.
SEEN_BEFORE = 0.05


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
    #: The current node, and for how long it has run, in seconds.
    node_id: str | None = None
    node_s: float = 0.0
    #: What each node took that was heard to run and to end, in seconds.
    ended: Mapping[str, float] = field(default_factory=dict)


def percent(work: Work, previous: int = 0, nodes: NodeLessons | None = None) -> int:
    """Progress in whole per cent, 0 to 99, and never below `previous` (0 for a new attempt).

    An unknown graph, or numbers that make no sense, leave it where it was.
    """
    previous = min(max(previous, 0), MOST)
    done = done_part(work, nodes)
    return previous if done is None else max(previous, min(math.floor(100 * done), MOST))


def done_part(work: Work, nodes: NodeLessons | None = None) -> float | None:
    """The part of the work that is done, 0 to 1; None where nothing tells."""
    if nodes is not None and _is_known(work, nodes):
        return _weighed_part(work, nodes)
    if work.nodes_total is None or work.nodes_total <= 0:
        return None
    done = min(max(work.nodes_done, 0), work.nodes_total)
    # In exact numbers: 29 of 100 are not 28.999 %.
    return min((done + steps_part(work)) / work.nodes_total + 1e-9, 1.0)


def expected_s(job: Job, policy: StallPolicy, server: str | None = None) -> float:
    """Seconds that such a job usually runs on that server, by the settings."""
    return max(runtime_budget_s(job, policy, server), 0.0) / BUDGET_FACTOR


def left(work: Work, elapsed_s: float, expected: Span, nodes: NodeLessons | None = None) -> Span:
    """How long a running prompt still takes, that has run for `elapsed_s`."""
    elapsed_s = max(elapsed_s, 0.0) if math.isfinite(elapsed_s) else 0.0
    known = nodes is not None and _is_known(work, nodes)
    if nodes is not None and known and not nodes.guessed:
        return _left_of_nodes(work, expected, nodes)
    by_duration = expected.left_after(elapsed_s)
    done = done_part(work, nodes)
    if done is None or done >= 1.0 or not elapsed_s > 0:
        return by_duration
    early, late = (BY_TYPE, LATE_BY_TYPE) if known else (VAGUE, LESS_VAGUE)
    vague = late + (early - late) * (1 - done)
    # As if a part of what is expected had been seen before: the first moment says little.
    whole_s = (elapsed_s + SEEN_BEFORE * expected.p50_s) / (done + SEEN_BEFORE)
    return _mixed(by_duration, Span.of(whole_s * (1 - done), vague))


def steps_part(work: Work) -> float:
    """The current node's share of itself by its steps, 0 to 1."""
    if work.maximum is None or not work.maximum > 0 or not work.value > 0:
        return 0.0
    if not math.isfinite(work.maximum):
        return 0.0
    return min(work.value / work.maximum, 1.0)


def _is_known(work: Work, nodes: NodeLessons) -> bool:
    """True where what was heard can be found among the nodes that are known."""
    return work.node_id in nodes.by_id or any(node in nodes.by_id for node in work.ended)


def _weighed_part(work: Work, nodes: NodeLessons) -> float:
    to_come = _to_come(work, nodes)
    done = math.fsum(nodes.by_id[n].span.p50_s for n in work.ended if n in nodes.by_id)
    current = nodes.by_id.get(work.node_id or "")
    if current is not None and work.node_id not in work.ended:
        part = _part(work, current)
        done += part * current.span.p50_s
        to_come += (1 - part) * current.span.p50_s
    return done / (done + to_come) if done + to_come > 0 else 0.0


def _to_come(work: Work, nodes: NodeLessons) -> float:
    """Seconds that the nodes took before that are still to come."""
    coming = nodes.after(work.node_id, work.ended)
    seconds = math.fsum(n.span.p50_s * n.runs for n in coming)
    if nodes.guessed and coming and work.nodes_total:
        # Some of them were done unheard, or were cached: their number is known, not which.
        number = min(max(work.nodes_total - max(work.nodes_done, 0) - 1, 0), len(coming))
        seconds *= number / len(coming)
    return seconds


def _part(work: Work, current: NodeLesson) -> float:
    """The current node's share of itself: by its steps, else by the time that it has run.

    A sampler tells steps. Before the first one it loads a model, and what ran ahead meanwhile would
    stand still for as long.
    """
    if (work.maximum or 0.0) > 1:
        return steps_part(work)
    if stage_of_type(current.node_type) is RunStage.SAMPLING:
        return 0.0
    return min(work.node_s / current.span.p50_s, MOST_BY_TIME) if work.node_s > 0 else 0.0


def _left_of_nodes(work: Work, expected: Span, nodes: NodeLessons) -> Span:
    pace = _pace(work, expected, nodes)
    to_come = nodes.after(work.node_id, work.ended)
    spans = [_possibly(lesson) for lesson in to_come]
    current = nodes.by_id.get(work.node_id or "")
    if current is not None and work.node_id not in work.ended:
        spans.append(_left_of_current(work, current))
    rest = added(spans)
    return Span.of(rest.p50_s * pace.p50_s, math.hypot(rest.sigma, pace.sigma))


def _possibly(lesson: NodeLesson) -> Span:
    return lesson.span.times(lesson.runs)


def _left_of_current(work: Work, current: NodeLesson) -> Span:
    """By its steps, at the speed of those that are done: the more the further it is."""
    node_s = max(work.node_s, 0.0)
    part = steps_part(work) if (work.maximum or 0.0) > 1 else 0.0
    if part <= 0.0:
        return current.span.left_after(node_s)
    by_lesson = current.span.p50_s * (1 - part)
    by_speed = node_s * (1 - part) / part
    return Span.of((1 - part) * by_lesson + part * by_speed, current.span.sigma)


def _pace(work: Work, expected: Span, nodes: NodeLessons) -> Span:
    """How much longer this run takes than its like, by what it took so far."""
    seen = [
        (lesson.span.p50_s, math.log(max(seconds, 1e-3) / lesson.span.p50_s))
        for node, seconds in work.ended.items()
        if (lesson := nodes.by_id.get(node)) is not None and math.isfinite(seconds)
    ]
    weight = math.fsum(w for w, _ in seen)
    if not weight > 0:
        return Span.of(1.0, expected.sigma)
    off = math.fsum(w * min(max(o, -MOST_OFF), MOST_OFF) for w, o in seen) / weight
    trust = weight / (weight + PACE_FROM * max(expected.p50_s, weight))
    return Span.of(math.exp(trust * off), expected.sigma * math.sqrt(1 - trust))


def _mixed(one: Span, other: Span) -> Span:
    """Two opinions of one duration, each by how sure it is."""
    first, second = one.sigma**-2, other.sigma**-2
    share = first / (first + second)
    log_s = share * math.log(one.p50_s) + (1 - share) * math.log(other.p50_s)
    return Span.of(math.exp(log_s), math.sqrt(1 / (first + second)))


__all__ = ["Work", "between", "done_part", "expected_s", "left", "percent"]
