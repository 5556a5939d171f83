"""Where the time of one workflow goes: what each of its nodes took before."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.kinds import Run
from reconciler.core.policy import RunStage
from reconciler.core.spans import Span
from reconciler.core.stages import stage_of_type
from reconciler.core.weighing import Sample, at_size, middle_and_width

#: Less than this is the time of no node, in seconds.
LEAST_S = 1e-3
#: How a node's time grows with size where no runs tell; loading does not.
SLOPE, FIRMNESS = 0.9, 0.5
#: What a node is expected to vary by before its runs show it.
BEFORE_SHOWN = 0.2
#: What a node takes of whose type nothing is known, in seconds. Only what it is to others counts.
USUAL_S = {
    RunStage.LOADING: 8.0,
    RunStage.SAMPLING: 60.0,
    RunStage.ENCODING: 6.0,
    RunStage.RUNNING: 1.0,
}
#: How far off a guess by type may be; standard deviation of the logarithm.
GUESSED = 1.0


@dataclass(frozen=True, slots=True)
class NodeLesson:
    """One node of a workflow."""

    node_type: str
    #: How long it takes where it runs.
    span: Span
    #: In which share of the runs it does; else it is answered from the cache.
    runs: float


@dataclass(frozen=True, slots=True)
class NodeLessons:
    """All nodes of a workflow that were ever seen to run."""

    by_id: Mapping[str, NodeLesson]
    #: Node ids in the order in which they end.
    order: tuple[str, ...]
    #: No run of this workflow was seen: times are those of the types, and the order is unknown.
    guessed: bool = False

    @classmethod
    def of(cls, weighed: Sequence[tuple[float, float, float, Run]]) -> NodeLessons:
        """From runs, the newest first: what each counts, by how much longer this server takes, its
        size, and the run."""
        samples: dict[str, list[Sample]] = {}
        types: dict[str, str] = {}
        whole = sum(weight for weight, _, _, _ in weighed)
        for weight, shift, size, run in weighed:
            for node in run.nodes:
                kind = types.setdefault(node.node_id, node.node_type)
                if kind == node.node_type:
                    loads = stage_of_type(kind) is RunStage.LOADING
                    value = math.log(max(node.seconds, LEAST_S)) + (0.0 if loads else shift)
                    samples.setdefault(node.node_id, []).append((weight, value, size))
        by_id = {
            node_id: _lesson(types[node_id], found, whole) for node_id, found in samples.items()
        }
        longest = max(weighed, key=lambda each: len(each[3].nodes))
        order = dict.fromkeys(node.node_id for node in longest[3].nodes)
        return cls(by_id, (*order, *(node_id for node_id in by_id if node_id not in order)))

    @classmethod
    def guess(cls, types: Mapping[str, str], seconds: Mapping[str, float]) -> NodeLessons:
        """Of a graph that never ran: by its nodes' types, and what such nodes took elsewhere."""
        by_id = {
            node_id: NodeLesson(
                kind, Span.of(seconds.get(kind) or USUAL_S[stage_of_type(kind)], GUESSED), 1.0
            )
            for node_id, kind in types.items()
        }
        return cls(by_id, tuple(by_id), guessed=True)

    def after(self, node_id: str | None, ended: Collection[str]) -> list[NodeLesson]:
        """The nodes that are still to come where this one runs and those have ended. What should
        have run before and did not was answered from the cache."""
        if self.guessed:
            return [n for i, n in self.by_id.items() if i not in ended and i != node_id]
        place = {node: n for n, node in enumerate(self.order)}
        known = [place[node] for node in (*ended, node_id) if node in place]
        begin = max(known, default=-1) + 1
        return [self.by_id[node] for node in self.order[begin:] if node not in ended]


def _lesson(node_type: str, samples: Sequence[Sample], whole: float) -> NodeLesson:
    loads = stage_of_type(node_type) is RunStage.LOADING
    level = at_size(samples, 0.0 if loads else SLOPE, FIRMNESS)
    median, width = middle_and_width(level)
    weight = sum(w for w, _ in level)
    varies = (weight * width**2 + BEFORE_SHOWN**2) / (weight + 1)
    span = Span.of(math.exp(median), math.sqrt(varies))
    return NodeLesson(node_type, span, min(weight / whole, 1.0) if whole > 0 else 1.0)
