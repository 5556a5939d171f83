"""What past runs teach about the next ones: how long they take, and where the time goes.

Expected are quantiles. The settings' budget is where it starts; runs of the same job type say more,
runs of the same workflow most. Among those the newest count most, and those of the same server and
size; what another server or size took is converted first, by what is known of both.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from reconciler.core.kinds import Kind, Run
from reconciler.core.nodes import LEAST_S, NodeLessons
from reconciler.core.spans import Span
from reconciler.core.weighing import Sample, at_size, middle_and_width

_T = TypeVar("_T")

#: Runs kept of each workflow and of each job type: things change.
MAX_KEPT = 80
#: Workflows and job types; the one that was not run for the longest time goes first.
MAX_KINDS = 2_000
#: How much less the run before counts, on the same server.
FADING = 0.9
#: How much a run counts of another server, or of a size that differs by a factor of e, or where
#: one of the sizes is not known.
ELSEWHERE, OTHER_SIZE = 0.15, 0.35
#: How duration grows with size where no runs tell: nearly in proportion.
SLOPE, FIRMNESS = 0.85, 0.5
#: How far the budget's word may be off, and what a workflow is expected to vary by before its runs
#: show it; standard deviations of the logarithm.
OF_BUDGET, BEFORE_SHOWN = 0.9, 0.25
#: Runs of a job type, which may be of any workflow, vary by at least so much, and count for less.
OF_TYPE, OF_TYPE_WEIGHT = 0.5, 0.3


@dataclass
class Lessons:
    """Runs, by workflow and by job type. Not thread-safe: the thread of the passes has it."""

    _by_workflow: dict[str, deque[Run]] = field(default_factory=dict)
    _by_type: dict[str, deque[Run]] = field(default_factory=dict)
    #: Logarithms of the seconds that nodes of a type took, whatever the workflow.
    _of_types: dict[str, deque[float]] = field(default_factory=dict)
    _spans: dict[tuple[Kind, float], Span] = field(default_factory=dict)
    _nodes: dict[Kind, NodeLessons | None] = field(default_factory=dict)
    _speeds: dict[str, float] | None = None

    def add(self, runs: Iterable[Run]) -> None:
        """Learns from runs, the oldest first."""
        for run in runs:
            if not (math.isfinite(run.ran_s) and run.ran_s > 0):
                continue
            for kept, key in (
                (self._by_workflow, run.kind.workflow),
                (self._by_type, run.kind.job_type),
            ):
                if key is not None:
                    _remember(kept, key, run)
            for node in run.nodes:
                _remember(self._of_types, node.node_type, math.log(max(node.seconds, LEAST_S)))
            self._spans.clear()
            self._nodes.clear()
            self._speeds = None

    def knows(self, kind: Kind) -> bool:
        """True where runs of this workflow were seen."""
        return kind.workflow in self._by_workflow

    def expected(self, kind: Kind, budget_s: float) -> Span:
        """How long such a run takes; `budget_s` is what the settings expect."""
        key = (kind, budget_s)
        if key not in self._spans:
            if len(self._spans) > MAX_KINDS:
                self._spans.clear()
            self._spans[key] = self._expected(kind, budget_s)
        return self._spans[key]

    def nodes(self, kind: Kind) -> NodeLessons | None:
        """What the nodes of this workflow take; None where no run told."""
        if kind not in self._nodes:
            if len(self._nodes) > MAX_KINDS:
                self._nodes.clear()
            runs = [run for run in self._by_workflow.get(kind.workflow or "", ()) if run.nodes]
            self._nodes[kind] = NodeLessons.of(self._weighed(kind, runs)) if runs else None
        return self._nodes[kind]

    def guess(self, types: Mapping[str, str]) -> NodeLessons | None:
        """What the nodes of a graph take of which no run told; None where there are no types."""
        if not types:
            return None
        known = {kind: self._of_types[kind] for kind in types.values() if kind in self._of_types}
        seconds = {kind: math.exp(_middle(list(found))) for kind, found in known.items()}
        return NodeLessons.guess(types, seconds)

    def _expected(self, kind: Kind, budget_s: float) -> Span:
        span = Span.of(budget_s, OF_BUDGET)
        if kind.job_type in self._by_type and not self.knows(kind):
            samples = self._samples(kind, self._by_type[kind.job_type])
            span = _taught(span, samples, OF_TYPE_WEIGHT, OF_TYPE)
        if kind.workflow in self._by_workflow:
            span = _taught(span, self._samples(kind, self._by_workflow[kind.workflow]), 1.0, 0.0)
        return span

    def _samples(self, kind: Kind, runs: Sequence[Run]) -> list[Sample]:
        return [
            (weight, math.log(run.ran_s) + shift, size)
            for weight, shift, size, run in self._weighed(kind, runs)
        ]

    def _weighed(self, kind: Kind, runs: Sequence[Run]) -> list[tuple[float, float, float, Run]]:
        """Of each run what it counts, by how much longer this server takes, and its size."""
        speeds = self._of_servers()
        here = speeds.get(kind.server or "", 0.0)
        newer: dict[str | None, int] = defaultdict(int)
        weighed = []
        for run in reversed(runs):
            server = run.kind.server
            weight = FADING ** newer[server]
            newer[server] += 1
            if server != kind.server:
                weight *= ELSEWHERE
            size = run.kind.sizes.log_ratio(kind.sizes)
            weight *= max(OTHER_SIZE ** abs(size), 1e-3)
            if run.kind.sizes != kind.sizes and size == 0:
                weight *= OTHER_SIZE
            weighed.append((weight, here - speeds.get(server or "", 0.0), size, run))
        return weighed

    def _of_servers(self) -> dict[str, float]:
        """How much longer each server takes than others do for the same, as a logarithm."""
        if self._speeds is None:
            self._speeds = _speeds(self._by_workflow.values())
        return self._speeds


def _remember(kept: dict[str, deque[_T]], key: str, new: _T) -> None:
    known = kept.pop(key, None) or deque(maxlen=MAX_KEPT)
    known.append(new)
    kept[key] = known
    if len(kept) > MAX_KINDS:
        del kept[next(iter(kept))]


def _taught(span: Span, samples: Sequence[Sample], trust: float, at_least: float) -> Span:
    """What is expected after these samples; their number decides between them and `span`."""
    level = at_size(samples, SLOPE, FIRMNESS)
    weight = trust * sum(w for w, _ in level)
    if not weight > 0:
        return span
    median, width = middle_and_width(level)
    varies = (weight * width**2 + BEFORE_SHOWN**2) / (weight + 1)
    varies = max(varies, at_least**2, 1e-4)
    before, taught = span.sigma**-2, weight / varies
    share = taught / (before + taught)
    log_s = share * median + (1 - share) * math.log(span.p50_s)
    return Span.of(math.exp(log_s), math.sqrt(share * varies + 1 / (before + taught)))


def _speeds(workflows: Iterable[Sequence[Run]]) -> dict[str, float]:
    """By server: the mean over the workflows that it has in common with others."""
    sums: dict[str, tuple[float, float]] = {}
    for runs in workflows:
        by_server: dict[str, list[float]] = defaultdict(list)
        for run in runs:
            size = run.kind.sizes.log_ratio(runs[-1].kind.sizes)
            by_server[run.kind.server or ""].append(math.log(run.ran_s) - SLOPE * size)
        if len(by_server) < 2:
            continue
        means = {server: _middle(values) for server, values in by_server.items()}
        level = sum(means.values()) / len(means)
        for server, mean in means.items():
            weight = min(len(by_server[server]), 10)
            total, number = sums.get(server, (0.0, 0.0))
            sums[server] = (total + weight * (mean - level), number + weight)
    return {server: total / (number + 1) for server, (total, number) in sums.items()}


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
