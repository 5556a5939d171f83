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
from reconciler.simulator.versions import Version


class Executor:
    """Runs prompts, tells of them, and remembers the results of their nodes.

    Events go to the submitter alone. A prompt without a client id has nobody to tell: its
    progress goes to everybody, and so does its interrupt; the rest to no one.
    """

    def __init__(self, stage: Stage, version: Version) -> None:
        self._stage = stage
        self._progress_interval_s = version.progress_interval_s
        self._cache = Cache()
        #: Whose prompt ran last (or runs).
        self.client_id: str | None = None
        #: The node at work, for a client that reconnects.
        self.last_node_id: str | None = None

    def prepare(self, item: Item) -> Execution:
        """What will be known of the prompt from its start on."""
        _, prompt_id, graph, extra_data, _ = item
        self.client_id = extra_data.get("client_id")
        progress = Progress(prompt_id, self._send, self._progress_interval_s)
        tags = make_tags(graph, extra_data.get("extra_pnginfo"))
        run = Run(self._stage, prompt_id, self.client_id, progress, tags)
        return Execution(run, graph, extra_data)

    def execute(self, execution: Execution, outputs: list[str]) -> None:
        """Run the output nodes and all that they need.

        Whatever a node raises becomes part of the history entry; `LifeOver` and `WorkerKilled`
        pass through.
        """
        self._stage.signals.forget_interrupt()
        self._tell(execution, "execution_start", {})
        cached = self._cache.find(execution.graph, outputs)
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
        self._send_to_owner(execution, "executing", {"node": None})

    def _reuse(self, execution: Execution, node_id: str) -> None:
        ui = self._cache.get(execution.graph, node_id).ui
        if ui is not None:
            execution.outputs[node_id] = ui
        self._send_executed(execution, node_id, ui)
        execution.run.progress.finish(node_id)

    def _perform(self, execution: Execution, node_id: str) -> bool:
        """Run one node; False if the prompt ended with it."""
        progress = execution.run.progress
        progress.start(node_id)
        self.last_node_id = node_id
        self._send_to_owner(execution, "executing", {"node": node_id, "display_node": node_id})
        result = self._result(execution, node_id)
        if result is None:
            return False
        self._cache.put(execution.graph, node_id, result)
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
            return NODES[execution.graph[node_id]["class_type"]](execution.run, node_id, inputs)
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
        graph = execution.graph
        inputs = dict(NODE_TYPES[graph[node_id]["class_type"]].defaults)
        for name, value in graph[node_id]["inputs"].items():
            is_link = isinstance(value, list)
            inputs[name] = self._cache.get(graph, value[0]).value if is_link else value
        return inputs

    def _tell(
        self, execution: Execution, event: str, data: dict[str, Any], *, if_anonymous: bool = False
    ) -> None:
        """An event that the history keeps."""
        stamped = execution.note(event, data)
        if self.client_id is not None or if_anonymous:
            self._send(event, stamped)

    def _send_executed(self, execution: Execution, node_id: str, ui: dict[str, Any] | None) -> None:
        data = {"node": node_id, "display_node": node_id, "output": ui}
        self._send_to_owner(execution, "executed", data)

    def _send_to_owner(self, execution: Execution, event: str, data: dict[str, Any]) -> None:
        if self.client_id is not None:
            self._send(event, {**data, "prompt_id": execution.run.prompt_id})

    def _send(self, event: str, data: dict[str, Any]) -> None:
        """To the submitter, or to everybody if it gave no client id."""
        self._stage.hub.send(event, data, self.client_id)
