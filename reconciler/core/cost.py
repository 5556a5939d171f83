"""What a run cost, node by node, and beside it what others of the same workflow did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reconciler.core.evidence import NodeRun
from reconciler.core.kinds import Kind, PromptRun
from reconciler.core.policy import RunStage
from reconciler.core.stages import stage_of_type

#: Nodes that are told, those with the most time first.
MAX_NODES = 200


@dataclass(frozen=True, slots=True)
class NodeCost:
    """One node; None where nothing tells."""

    node_id: str
    node_type: str
    #: None: it was answered from the cache.
    seconds: float | None
    #: It loads a model, or another file.
    loads: bool
    #: What it took in the fastest run; 0 where it was answered from the cache there.
    fastest_s: float | None = None
    #: The median of the runs in which it ran.
    median_s: float | None = None

    @property
    def lost_s(self) -> float | None:
        """By how much the fastest run was faster here."""
        if self.fastest_s is None:
            return None
        return (self.seconds or 0.0) - self.fastest_s


@dataclass(frozen=True, slots=True)
class Cost:
    """A run beside others of its workflow: of the same size where there are any."""

    run: PromptRun
    #: Those that took time, the longest first, then those that were cached.
    nodes: tuple[NodeCost, ...]
    #: None where no other run of the workflow is known.
    fastest: PromptRun | None = None
    median_s: float | None = None
    #: How many others it is compared with, and whether they had the same frames and pixels.
    compared: int = 0
    same_size: bool = True

    @property
    def loaded(self) -> tuple[NodeCost, ...]:
        """Models that were loaded, not those that were there already."""
        return tuple(node for node in self.nodes if node.loads and node.seconds is not None)

    @property
    def missed(self) -> int:
        """Nodes that had to be computed."""
        return sum(node.seconds is not None for node in self.nodes)

    @property
    def hit(self) -> int:
        """Nodes that were answered from the cache."""
        return len(self.run.cached)


def cost_of(run: PromptRun, others: Iterable[PromptRun]) -> Cost:
    """The cost of a run beside `others` of the same workflow."""
    known = [other for other in others if other.teaches]
    alike = [other for other in known if _is_as_large(other.run.kind, run.run.kind)]
    compared = alike or known
    fastest = min(compared, key=lambda other: other.run.ran_s, default=None)
    return Cost(
        run,
        _nodes(run, fastest, compared),
        fastest,
        _median([other.run.ran_s for other in compared]),
        len(compared),
        same_size=bool(alike) or not compared,
    )


def _is_as_large(one: Kind, other: Kind) -> bool:
    return one.sizes == other.sizes


def _nodes(
    run: PromptRun, fastest: PromptRun | None, compared: Sequence[PromptRun]
) -> tuple[NodeCost, ...]:
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for other in compared:
        for node in other.run.nodes:
            seconds[node.node_id, node.node_type].append(node.seconds)
    types = dict(seconds.keys())
    ran = [_node(node, fastest, seconds) for node in run.run.nodes]
    ran.sort(key=lambda node: -(node.seconds or 0.0))
    cached = [
        NodeCost(node_id, types.get(node_id, ""), None, _loads(types.get(node_id, "")))
        for node_id in run.cached
    ]
    return tuple((ran + cached)[:MAX_NODES])


def _node(
    node: NodeRun, fastest: PromptRun | None, seconds: dict[tuple[str, str], list[float]]
) -> NodeCost:
    return NodeCost(
        node.node_id,
        node.node_type,
        node.seconds,
        _loads(node.node_type),
        None if fastest is None else _in(fastest, node),
        _median(seconds[node.node_id, node.node_type]),
    )


def _in(other: PromptRun, node: NodeRun) -> float | None:
    """What the same node took there; None where nobody told of its nodes."""
    same = (n.seconds for n in other.run.nodes if n.node_id == node.node_id)
    if (found := next(same, None)) is not None:
        return found
    return 0.0 if node.node_id in other.cached else None


def _loads(node_type: str) -> bool:
    return stage_of_type(node_type) is RunStage.LOADING


def _median(values: Sequence[float]) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
