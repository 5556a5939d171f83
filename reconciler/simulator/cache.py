"""Results of nodes that ran before, so that the same work is not done twice."""

from __future__ import annotations

from reconciler.simulator.graph import Graph, needed, signatures
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
        #: Of the nodes of the prompt that runs.
        self._keys: dict[str, str] = {}

    def find(self, graph: Graph, outputs: list[str]) -> list[str]:
        """Ids of the nodes of a starting prompt that need not run, in the graph's order."""
        used = needed(graph, outputs)
        self._keys = signatures(graph, [node_id for node_id in graph if node_id in used])
        known = self._results | self._scripted
        self._results = {key: known[key] for key in self._keys.values() if key in known}
        return [node_id for node_id, key in self._keys.items() if key in self._results]

    def get(self, node_id: str) -> Result:
        """The result of a node that ran or was found."""
        return self._results[self._keys[node_id]]

    def put(self, graph: Graph, node_id: str, result: Result) -> None:
        """Remember what a node did."""
        key = self._keys[node_id]
        self._results[key] = result
        if graph[node_id]["class_type"] == SCRIPTED:
            self._scripted[key] = result
