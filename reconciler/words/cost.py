"""What a job cost, for a page and for programs, and where time can be won, in words."""

from __future__ import annotations

from typing import Any

from reconciler.core.cost import Cost, NodeCost, cost_of
from reconciler.core.kinds import PromptRun
from reconciler.core.words import duration
from reconciler.store import Store
from reconciler.words.times import iso

#: Less is no time to be won, in seconds and as part of the run.
WORTH_S, WORTH_PART = 0.5, 0.02
#: Differences that are told.
MAX_TOLD = 3


def costs(store: Store, job_id: str) -> list[Cost]:
    """The runs of a job, the newest first. Raises DatabaseError."""
    return [cost_of(run, store.runs.like(run)) for run in store.runs.of_job(job_id)]


def sentences(cost: Cost) -> list[str]:
    """How long it ran beside others, and where the time went; node types are outside text."""
    ran_s = cost.run.run.ran_s
    if cost.run.reused:
        return ["All of it was answered from the cache: nothing was computed."]
    if cost.fastest is None or cost.median_s is None:
        return [f"It ran for {duration(ran_s)}; no other run of this workflow is known."]
    size = "" if cost.same_size else ", all of another size,"
    number = "one other run" if cost.compared == 1 else f"{cost.compared} other runs"
    where = cost.fastest.run.kind.server
    there = f" on {where}" if where and where != cost.run.run.kind.server else ""
    if ran_s <= cost.fastest.run.ran_s:
        return [f"It ran for {duration(ran_s)}, faster than {number} of this workflow{size[:-1]}."]
    first = (
        f"It ran for {duration(ran_s)}; of {number} of this workflow{size} the fastest took"
        f" {duration(cost.fastest.run.ran_s)}{there}"
    )
    first += f", half of them {duration(cost.median_s)} or less." if cost.compared > 1 else "."
    told = "; ".join(_lost(node) for node in where_time_went(cost))
    return [first, f"{told}."] if told else [first]


def where_time_went(cost: Cost) -> list[NodeCost]:
    """The nodes that were slower than in the fastest run, those with most to win first."""
    least_s = max(WORTH_S, WORTH_PART * cost.run.run.ran_s)
    slower = [node for node in cost.nodes if (node.lost_s or 0.0) >= least_s]
    return sorted(slower, key=lambda node: -(node.lost_s or 0.0))[:MAX_TOLD]


def _lost(node: NodeCost) -> str:
    name, took = node.node_type or f"node {node.node_id}", duration(node.seconds or 0.0)
    if node.fastest_s:
        return f"{name} took {took}, in the fastest run {duration(node.fastest_s)}"
    again = "loaded again" if node.loads else "computed, there answered from the cache"
    return f"{name} was {again}: {took}"


def as_json(cost: Cost) -> dict[str, Any]:
    """One run for programs."""
    return _run(cost.run) | {
        "cache_hits": cost.hit,
        "cache_misses": cost.missed,
        "nodes_told_by": cost.run.nodes_by,
        "nodes": [_node(node) for node in cost.nodes],
        "loaded": [_node(node) for node in cost.loaded],
        "loaded_s": round(sum(node.seconds or 0.0 for node in cost.loaded), 3),
        "compared": cost.compared,
        "same_size": cost.same_size,
        "median_s": cost.median_s,
        "fastest": None if cost.fastest is None else _run(cost.fastest),
        "words": sentences(cost),
    }


def _run(run: PromptRun) -> dict[str, Any]:
    kind, sizes = run.run.kind, run.run.kind.sizes
    return {
        "prompt_id": run.prompt_id,
        "job_id": run.job_id,
        "attempt": run.attempt,
        "ended": run.kind.value,
        "ended_at": iso(run.run.ended_at),
        "server": kind.server,
        "workflow": kind.workflow,
        "frames": sizes.frames,
        "width": sizes.width,
        "height": sizes.height,
        "steps": sizes.steps,
        "waited_s": run.waited_s,
        "ran_s": round(run.run.ran_s, 3),
    }


def _node(node: NodeCost) -> dict[str, Any]:
    return {
        "node_id": node.node_id,
        "type": node.node_type,
        "seconds": node.seconds,
        "cached": node.seconds is None,
        "loads": node.loads,
        "fastest_s": node.fastest_s,
        "median_s": node.median_s,
        "lost_s": None if node.lost_s is None else round(node.lost_s, 3),
    }
