"""Reading a graph: in which order its nodes run, and which of them are the same."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Set
from typing import Any

from reconciler.simulator.node_types import NODE_TYPES, SCRIPTED
from reconciler.simulator.outcomes import Outcome

Graph = dict[str, dict[str, Any]]


def is_output(graph: Graph, node_id: str) -> bool:
    """True if the node saves something."""
    return NODE_TYPES[graph[node_id]["class_type"]].is_output


def links(graph: Graph, node_id: str) -> list[str]:
    """Ids of the nodes that a node takes its inputs from."""
    return [value[0] for value in graph[node_id]["inputs"].values() if isinstance(value, list)]


def run_order(graph: Graph, outputs: list[str], cached: Set[str]) -> Iterator[str]:
    """Ids of the nodes that run, in ComfyUI's order.

    Of the nodes that are ready, one that saves comes first, then one that a saver waits for. A
    cached node needs none of the nodes above it.
    """
    waiting = needed(graph, outputs, cached)
    while waiting:
        ready = [
            node_id
            for node_id in waiting
            if node_id in cached or not any(above in waiting for above in links(graph, node_id))
        ]
        chosen = min(ready, key=lambda node_id: _distance(graph, node_id, waiting))
        waiting.remove(chosen)
        yield chosen


def signatures(graph: Graph, wanted: Iterable[str]) -> dict[str, str]:
    """By node id, what is the same for two nodes that would do the same: class, values, what the
    class itself says of them, and the nodes above.

    The outcome `cached` looks like `success`, so that it finds the result of an earlier prompt.
    """
    found: dict[str, str] = {}

    def sign(node_id: str) -> str:
        if node_id not in found:
            node = graph[node_id]
            inputs = {
                name: [sign(value[0]), value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            }
            if inputs.get("outcome") == Outcome.CACHED:
                inputs["outcome"] = Outcome.SUCCESS
            own = _own_signature(graph, node_id)
            found[node_id] = json.dumps([node["class_type"], inputs, own], sort_keys=True)
        return found[node_id]

    return {node_id: sign(node_id) for node_id in wanted}


def _own_signature(graph: Graph, node_id: str) -> list[object]:
    """What `IS_CHANGED` says: asked before anything ran, when links have no value yet. What is not
    equal to itself is like nothing else. Nodes that are told their id are never alike."""
    node, own = graph[node_id], list[object]()
    node_type = NODE_TYPES[node["class_type"]]
    if "unique_id" in node_type.hidden:
        own.append(node_id)
    if node_type.is_changed is not None:
        inputs = {k: None if isinstance(v, list) else v for k, v in node["inputs"].items()}
        said = node_type.is_changed(**inputs)
        own.append(str(said) if said == said else uuid.uuid4().hex)  # noqa: PLR0124
    return own


def needed(graph: Graph, outputs: list[str], cached: Set[str] = frozenset()) -> list[str]:
    """Ids of the output nodes and of all that they need; nothing above a cached one."""
    found: list[str] = []
    left = list(reversed(outputs))
    while left:
        node_id = left.pop()
        if node_id not in found:
            found.append(node_id)
            if node_id not in cached:
                left += [above for above in links(graph, node_id) if above not in cached]
    return found


def scripted_outcome(graph: Graph) -> Outcome | None:
    """What the graph tells to happen, if it has a node for that."""
    for node in graph.values():
        if node["class_type"] == SCRIPTED:
            return Outcome(node["inputs"]["outcome"])
    return None


def _distance(graph: Graph, node_id: str, waiting: list[str]) -> int:
    """Steps to the next saver below: 0 for a saver itself, 3 for three and more."""
    level = [node_id]
    for steps in range(3):
        if any(is_output(graph, each) for each in level):
            return steps
        level = [below for below in waiting if any(a in level for a in links(graph, below))]
    return 3
