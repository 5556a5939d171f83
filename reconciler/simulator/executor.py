"""Executing prompts one after the other: their nodes in order, their events in order."""

from __future__ import annotations

from typing import Any

from reconciler.simulator.cache import Cache
from reconciler.simulator.execution import Execution
from reconciler.simulator.graph import run_order
from reconciler.simulator.node_types import NODE_TYPES
from reconciler.simulator.nodes import NODES
from reconciler.simulator.progress import Progress
from reconciler.simulator.queue import Item
from reconciler.simulator.render import make_tags
from reconciler.simulator.run import Result, Run, Stage
from reconciler.simulator.signals import Interrupted
from reconciler.simulator.truth import Ending


class Executor:
    """Runs prompts, tells of them, and remembers the results of their nodes.

    Events go to the submitter alone. A prompt without a client id has nobody to tell: its
    progress goes to everybody, and so does its interrupt; the rest to no one.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._server = stage.server
        self._cache = Cache()

    def prepare(self, item: Item) -> Execution:
        """What will be known of the prompt from its start on."""
        _, prompt_id, graph, extra_data = item[:4]
        self._server.client_id = extra_data.get("client_id")
        progress = Progress(prompt_id, self._send, self._stage.version.progress_interval_s)
        tags = make_tags(graph, extra_data.get("extra_pnginfo"))
        return Execution(Run(self._stage, prompt_id, graph, extra_data, progress, tags))

    def execute(self, execution: Execution, outputs: list[str]) -> None:
        """Run the output nodes and all that they need.

        Whatever a node raises becomes part of the history entry; `LifeOver` and `WorkerKilled`
        pass through.
        """
        self._stage.signals.forget_interrupt()
        graph = execution.run.graph
        self._tell(execution, "execution_start", {})
        cached = self._cache.find(graph, outputs)
        self._tell(execution, "execution_cached", {"nodes": cached})
        for node_id in run_order(graph, outputs, set(cached)):
            if node_id in cached:
                self._reuse(execution, node_id)
            elif not self._perform(execution, node_id):
                break
        else:
            self._tell(execution, "execution_success", {})
        self._server.last_node_id = None

    def tell_end(self, execution: Execution) -> None:
        """The last event, after the prompt has entered the history."""
        self._send_to_owner(execution, "executing", {"node": None})

    def _reuse(self, execution: Execution, node_id: str) -> None:
        ui = self._cache.get(node_id).ui
        if ui is not None:
            execution.outputs[node_id] = ui
        self._send_executed(execution, node_id, ui)
        execution.run.progress.finish(node_id)

    def _perform(self, execution: Execution, node_id: str) -> bool:
        """Run one node; False if the prompt ended with it."""
        progress = execution.run.progress
        progress.start(node_id)
        self._server.last_node_id = node_id
        self._send_to_owner(execution, "executing", {"node": node_id, "display_node": node_id})
        result = self._result(execution, node_id)
        if result is None:
            return False
        self._cache.put(execution.run.graph, node_id, result)
        if result.ui is not None:
            execution.outputs[node_id] = result.ui
            self._send_executed(execution, node_id, result.ui)
        progress.finish(node_id)
        execution.executed.append(node_id)
        return True

    def _result(self, execution: Execution, node_id: str) -> Result | None:
        """What a node hands on; None if it raised, or was interrupted."""
        inputs = self._inputs(execution, node_id)
        try:
            run = execution.run
            return NODES[run.graph[node_id]["class_type"]](run, node_id, inputs)
        except Interrupted:
            execution.ending = Ending.INTERRUPTED
            about = execution.about_node(node_id)
            self._tell(execution, "execution_interrupted", about, if_anonymous=True)
        except Exception as error:  # a node may raise anything, as in ComfyUI
            execution.ending = Ending.ERROR
            about = execution.about_error(node_id, inputs, error)
            self._tell(execution, "execution_error", about)
        return None

    def _inputs(self, execution: Execution, node_id: str) -> dict[str, Any]:
        """Values, and in the place of each link what the node above handed on."""
        graph = execution.run.graph
        inputs = dict(NODE_TYPES[graph[node_id]["class_type"]].defaults)
        for name, value in graph[node_id]["inputs"].items():
            inputs[name] = self._value(value) if isinstance(value, list) else value
        return inputs

    def _value(self, link: list[Any]) -> Any:
        node_id, slot = link
        return self._cache.get(node_id).values[slot]

    def _tell(
        self, execution: Execution, event: str, data: dict[str, Any], *, if_anonymous: bool = False
    ) -> None:
        """An event that the history keeps."""
        stamped = execution.note(event, data)
        if self._server.client_id is not None or if_anonymous:
            self._send(event, stamped)

    def _send_executed(self, execution: Execution, node_id: str, ui: dict[str, Any] | None) -> None:
        data = {"node": node_id, "display_node": node_id, "output": ui}
        self._send_to_owner(execution, "executed", data)

    def _send_to_owner(self, execution: Execution, event: str, data: dict[str, Any]) -> None:
        if self._server.client_id is not None:
            self._send(event, {**data, "prompt_id": execution.run.prompt_id})

    def _send(self, event: str, data: dict[str, Any]) -> None:
        """To the submitter, or to everybody if it gave no client id."""
        self._server.send_sync(event, data, self._server.client_id)
