"""One prompt on its way through the executor, and what its history entry will say of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.node_types import NODE_TYPES
from reconciler.simulator.queue import ExecutionStatus
from reconciler.simulator.run import NodeFailed, Run
from reconciler.simulator.truth import Ending


@dataclass(slots=True)
class Execution:
    """What a prompt has done so far."""

    run: Run
    ending: Ending = Ending.SUCCESS
    executed: list[str] = field(default_factory=list)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def note(self, event: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a message for the history; returns its data with prompt id and time stamp."""
        stamp = int(time.time() * 1000)
        stamped = {"prompt_id": self.run.prompt_id, **data, "timestamp": stamp}
        self.messages.append((event, stamped))
        return stamped

    def about_node(self, node_id: str) -> dict[str, Any]:
        """Which node ended the prompt, and which ran before it."""
        return {
            "node_id": node_id,
            "node_type": self.run.graph[node_id]["class_type"],
            "executed": list(self.executed),
        }

    def about_error(
        self, node_id: str, inputs: Mapping[str, Any], error: Exception
    ) -> dict[str, Any]:
        """The data of `execution_error`."""
        tips = error.tips if isinstance(error, NodeFailed) else ""
        return {
            **self.about_node(node_id),
            "exception_message": f"{error}\n{tips}",
            "exception_type": _type_name(error),
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {
                name: [_plain(value)]
                for name, value in {**inputs, **self._hidden_inputs(node_id)}.items()
            },
            "current_outputs": list(self.run.graph),
        }

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

    def status(self) -> ExecutionStatus:
        """`status` of the history entry."""
        completed = self.ending is Ending.SUCCESS
        messages = [list(message) for message in self.messages]
        return ExecutionStatus("success" if completed else "error", completed, messages)

    def _hidden_inputs(self, node_id: str) -> dict[str, Any]:
        wanted = NODE_TYPES[self.run.graph[node_id]["class_type"]].hidden
        return self.run.hidden_inputs(node_id, wanted)


def _type_name(error: Exception) -> str:
    if isinstance(error, NodeFailed):
        return error.exception_type
    kind = type(error)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return prefix + kind.__qualname__


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float | str) else str(value)
