"""Results of nodes that ran before, so that the same work is not done twice."""

from __future__ import annotations

from reconciler.simulator.graph import Graph, needed, signature
from reconciler.simulator.run import Result


class Cache:
    """Results by what a node and all above it are told to do."""

    def __init__(self, keeps_all: bool) -> None:
        """`keeps_all`: else only results of the prompt right before survive into the next."""
        self._keeps_all = keeps_all
        self._results: dict[str, Result] = {}

    def find(self, graph: Graph, outputs: list[str]) -> list[str]:
        """Ids of the nodes of a starting prompt that need not run, in the graph's order."""
        used = needed(graph, outputs)
        keys = {node_id: signature(graph, node_id) for node_id in graph if node_id in used}
        if not self._keeps_all:
            kept = set(keys.values())
            self._results = {key: each for key, each in self._results.items() if key in kept}
        return [node_id for node_id, key in keys.items() if key in self._results]

    def get(self, graph: Graph, node_id: str) -> Result:
        """The result of a node that ran or was found."""
        return self._results[signature(graph, node_id)]

    def put(self, graph: Graph, node_id: str, result: Result) -> None:
        """Remember what a node did."""
        self._results[signature(graph, node_id)] = result
