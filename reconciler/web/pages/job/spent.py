"""What a job cost, node by node, as bars beside the fastest run of the same workflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.cost import Cost, NodeCost
from reconciler.words.cost import sentences
from reconciler.words.text import safe

#: Runs and nodes that are shown; the rest is there for programs.
MOST_RUNS, MOST_NODES = 3, 30
#: Longest name of a node type, in characters.
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Bar:
    """One node. The parts are of the longest bar, from 0 to 100."""

    node_id: str
    name: str
    #: None: it was answered from the cache.
    seconds: float | None
    #: In the fastest run; 0: cached there, None: not known.
    fastest_s: float | None
    loads: bool
    part: float
    fastest_part: float


@dataclass(frozen=True, slots=True)
class Spent:
    """One run of a prompt of the job."""

    prompt_id: str
    words: tuple[str, ...]
    bars: tuple[Bar, ...]
    #: Nodes that have no bar, since there are too many, and the seconds of them all.
    others: int
    others_s: float
    cache_hits: int | None
    cache_misses: int | None
    #: Seconds in which models were loaded, and how many nodes did.
    loads: int
    loads_s: float
    told_by: str | None
    fastest_job_id: str | None


def spent(costs: Sequence[Cost]) -> list[Spent]:
    """The newest runs of a job."""
    return [_spent(cost) for cost in costs[:MOST_RUNS]]


def _spent(cost: Cost) -> Spent:
    longest_first = sorted(cost.nodes, key=lambda node: -(node.seconds or 0.0))
    shown, others = longest_first[:MOST_NODES], longest_first[MOST_NODES:]
    longest_s = max((max(n.seconds or 0.0, n.fastest_s or 0.0) for n in shown), default=0.0)
    return Spent(
        prompt_id=cost.run.prompt_id,
        words=tuple(safe(sentence) for sentence in sentences(cost)),
        bars=tuple(_bar(node, longest_s) for node in shown),
        others=len(others),
        others_s=sum(node.seconds or 0.0 for node in others),
        cache_hits=cost.hit,
        cache_misses=cost.missed,
        loads=len(cost.loaded),
        loads_s=sum(node.seconds or 0.0 for node in cost.loaded),
        told_by=cost.run.nodes_by,
        fastest_job_id=None if cost.fastest is None else cost.fastest.job_id,
    )


def _bar(node: NodeCost, longest_s: float) -> Bar:
    return Bar(
        node_id=safe(node.node_id, MAX_NAME),
        name=safe(node.node_type or f"node {node.node_id}", MAX_NAME),
        seconds=node.seconds,
        fastest_s=node.fastest_s,
        loads=node.loads,
        part=_part(node.seconds, longest_s),
        fastest_part=_part(node.fastest_s, longest_s),
    )


def _part(seconds: float | None, longest_s: float) -> float:
    return round(100 * (seconds or 0.0) / longest_s, 2) if longest_s > 0 else 0.0
