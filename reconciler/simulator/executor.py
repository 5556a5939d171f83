"""Executing one prompt: its nodes in order, its events in order, and its history entry."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.graph import Graph, needed, run_order, signature
from reconciler.simulator.node_types import NODE_TYPES
from reconciler.simulator.nodes import NODES
from reconciler.simulator.progress import Progress
from reconciler.simulator.queue import Item
from reconciler.simulator.render import make_tags
from reconciler.simulator.run import NodeFailed, Result, Run, Stage
from reconciler.simulator.signals import Interrupted
from reconciler.simulator.truth import Ending
from reconciler.simulator.versions import Version


@dataclass(slots=True)
class Execution:
    """One prompt on its way through the executor, and what is to be told of it."""

    run: Run
    graph: Graph
    ending: Ending = Ending.SUCCESS
    results: dict[str, Result] = field(default_factory=dict)
    executed: list[str] = field(default_factory=list)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def history_result(self) -> dict[str, Any]:
        """`outputs` and `meta` of the history entry."""
        meta = {
            node_id: {
                "node_id": node_id,
                "display_node": node_id,
                "parent_node": None,
                "real_node_id": node_id,
            }
            for node_id in self.outputs
        }
        return {"outputs": self.outputs, "meta": meta}

    def status(self) -> dict[str, Any]:
        """`status` of the history entry."""
        completed = self.ending is Ending.SUCCESS
        return {
            "status_str": "success" if completed else "error",
            "completed": completed,
            "messages": [list(message) for message in self.messages],
        }


class Executor:
    """Runs prompts one after the other and remembers the results of their nodes."""

    def __init__(self, stage: Stage, version: Version) -> None:
        self._stage = stage
        self._version = version
        self._cache: dict[str, Result] = {}
        #: Whose prompt ran last (or runs): the only one to hear of its events.
        self.client_id: str | None = None
        #: The node at work, for a client that reconnects.
        self.last_node_id: str | None = None

    def prepare(self, item: Item) -> Execution:
        """What will be known of the prompt from its start on."""
        _, prompt_id, graph, extra_data, _ = item
        self.client_id = extra_data.get("client_id")
        progress = Progress(prompt_id, self._send, self._version.progress_interval_s)
        tags = make_tags(graph, extra_data.get("extra_pnginfo"))
        return Execution(Run(self._stage, prompt_id, self.client_id, progress, tags), graph)

    def execute(self, execution: Execution, outputs: list[str]) -> None:
        """Run the output nodes and all that they need.

        Whatever a node raises becomes part of the history entry; `LifeOver` and `WorkerKilled`
        pass through.
        """
        self._stage.signals.forget_interrupt()
        self._tell(execution, "execution_start", {})
        cached = self._find_cached(execution.graph, outputs)
        self._tell(execution, "execution_cached", {"nodes": cached})
        for node_id in run_order(execution.graph, outputs, set(cached)):
            if node_id in cached:
                self._reuse(execution, node_id)
            elif not self._perform(execution, node_id):
                break
        else:
            self._tell(execution, "execution_success", {})
        self.last_node_id = None

    def tell_end(self, execution: Execution) -> None:
        """The last event, after the prompt has entered the history."""
        if self.client_id is not None:
            data = {"node": None, "prompt_id": execution.run.prompt_id}
            self._send("executing", data)

    def _find_cached(self, graph: Graph, outputs: list[str]) -> list[str]:
        used = needed(graph, outputs)
        signatures = {each: signature(graph, each) for each in graph if each in used}
        if not self._version.keeps_cache:
            kept = set(signatures.values())
            self._cache = {key: each for key, each in self._cache.items() if key in kept}
        return [node_id for node_id, key in signatures.items() if key in self._cache]

    def _reuse(self, execution: Execution, node_id: str) -> None:
        result = self._cache[signature(execution.graph, node_id)]
        execution.results[node_id] = result
        if result.ui is not None:
            execution.outputs[node_id] = result.ui
        self._send_executed(execution, node_id, result.ui)
        execution.run.progress.finish(node_id)

    def _perform(self, execution: Execution, node_id: str) -> bool:
        """Run one node; False if the prompt ended with it."""
        progress = execution.run.progress
        progress.start(node_id)
        self.last_node_id = node_id
        self._send_to_owner(execution, "executing", {"node": node_id, "display_node": node_id})
        inputs = self._inputs(execution, node_id)
        try:
            result = NODES[execution.graph[node_id]["class_type"]](execution.run, node_id, inputs)
        except Interrupted:
            self._interrupted(execution, node_id)
            return False
        except Exception as error:  # a node may raise anything, as in ComfyUI
            self._failed(execution, node_id, inputs, error)
            return False
        self._cache[signature(execution.graph, node_id)] = execution.results[node_id] = result
        if result.ui is not None:
            execution.outputs[node_id] = result.ui
            self._send_executed(execution, node_id, result.ui)
        progress.finish(node_id)
        execution.executed.append(node_id)
        return True

    def _inputs(self, execution: Execution, node_id: str) -> dict[str, Any]:
        node = execution.graph[node_id]
        given = {
            name: self._linked(execution, value) if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        return {**NODE_TYPES[node["class_type"]].defaults, **given}

    def _linked(self, execution: Execution, link: list[Any]) -> object:
        above = execution.results.get(link[0])
        found = above or self._cache[signature(execution.graph, link[0])]
        return found.value

    def _interrupted(self, execution: Execution, node_id: str) -> None:
        execution.ending = Ending.INTERRUPTED
        self._tell(execution, "execution_interrupted", self._about(execution, node_id), all_=True)

    def _failed(
        self, execution: Execution, node_id: str, inputs: dict[str, Any], error: Exception
    ) -> None:
        execution.ending = Ending.ERROR
        tips = error.tips if isinstance(error, NodeFailed) else ""
        self._tell(
            execution,
            "execution_error",
            {
                **self._about(execution, node_id),
                "exception_message": f"{error}\n{tips}",
                "exception_type": _type_name(error),
                "traceback": traceback.format_tb(error.__traceback__),
                "current_inputs": {name: [_plain(value)] for name, value in inputs.items()},
                "current_outputs": list(execution.graph),
            },
        )

    def _about(self, execution: Execution, node_id: str) -> dict[str, Any]:
        node_type = execution.graph[node_id]["class_type"]
        return {
            "node_id": node_id,
            "node_type": node_type,
            "executed": list(execution.executed),
        }

    def _tell(
        self, execution: Execution, event: str, data: dict[str, Any], *, all_: bool = False
    ) -> None:
        """An event that the history keeps; without a client nobody hears it, unless all shall."""
        stamp = int(time.time() * 1000)
        data = {"prompt_id": execution.run.prompt_id, **data, "timestamp": stamp}
        execution.messages.append((event, data))
        if self.client_id is not None or all_:
            self._send(event, data)

    def _send_executed(self, execution: Execution, node_id: str, ui: dict[str, Any] | None) -> None:
        data = {"node": node_id, "display_node": node_id, "output": ui}
        self._send_to_owner(execution, "executed", data)

    def _send_to_owner(self, execution: Execution, event: str, data: dict[str, Any]) -> None:
        if self.client_id is not None:
            self._send(event, {**data, "prompt_id": execution.run.prompt_id})

    def _send(self, event: str, data: dict[str, Any]) -> None:
        """To the submitter, or to everybody if it gave no client id."""
        self._stage.hub.send(event, data, self.client_id)


def _type_name(error: Exception) -> str:
    if isinstance(error, NodeFailed):
        return error.exception_type
    kind = type(error)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return prefix + kind.__qualname__


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str | bool) else str(value)
