"""Results of nodes that ran before, so that the same work is not done twice."""

from __future__ import annotations

from reconciler.simulator.graph import Graph, needed, signature
from reconciler.simulator.node_types import SCRIPTED
from reconciler.simulator.run import Result


class Cache:
    """Results by what a node and all above it are told to do.

    Only those of the prompt right before survive into the next. (0.33.0 means to keep more while
    there is memory, but asks for more free memory than a machine below 128 GB can have.) Those of
    a script stay for ever: the script says `cached`, whatever ran in between.
    """

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}
        self._scripted: dict[str, Result] = {}

    def find(self, graph: Graph, outputs: list[str]) -> list[str]:
        """Ids of the nodes of a starting prompt that need not run, in the graph's order."""
        used = needed(graph, outputs)
        keys = {node_id: signature(graph, node_id) for node_id in graph if node_id in used}
        known = self._results | self._scripted
        self._results = {key: known[key] for key in keys.values() if key in known}
        return [node_id for node_id, key in keys.items() if key in self._results]

    def get(self, graph: Graph, node_id: str) -> Result:
        """The result of a node that ran or was found."""
        return self._results[signature(graph, node_id)]

    def put(self, graph: Graph, node_id: str, result: Result) -> None:
        """Remember what a node did."""
        key = signature(graph, node_id)
        self._results[key] = result
        if graph[node_id]["class_type"] == SCRIPTED:
            self._scripted[key] = result
