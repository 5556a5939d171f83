"""Progress events of one prompt: `progress_state` for all its nodes, `progress` for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: Takes an event's name and data; the executor knows who is to hear it.
Send = Callable[[str, dict[str, Any]], None]


class Progress:
    """What each node of a prompt has done so far."""

    def __init__(self, prompt_id: str, send: Send, interval_s: float) -> None:
        """`interval_s`: the least time between two events of a node, its first and last apart."""
        self._prompt_id = prompt_id
        self._send = send
        self._interval_s = interval_s
        self._nodes: dict[str, dict[str, Any]] = {}
        self._last_sent_at: dict[str, float] = {}

    def start(self, node_id: str) -> None:
        """The node begins; it has no steps of its own yet."""
        self._set(node_id, 0.0, 1.0, "running")

    def update(self, node_id: str, value: int, maximum: int) -> None:
        """`value` of `maximum` steps are done."""
        now = time.monotonic()
        last = self._last_sent_at.get(node_id)
        if last is not None and value < maximum and now - last < self._interval_s:
            return
        self._last_sent_at[node_id] = now
        self._set(node_id, value, maximum, "running")
        self._send(
            "progress",
            {"value": value, "max": maximum, "prompt_id": self._prompt_id, "node": node_id},
        )

    def finish(self, node_id: str) -> None:
        """The node is done, or was cached."""
        maximum = self._nodes[node_id]["max"] if node_id in self._nodes else 1
        self._set(node_id, maximum, maximum, "finished")

    def _set(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {
            "value": value,
            "max": maximum,
            "state": state,
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        data = {"prompt_id": self._prompt_id, "nodes": dict(self._nodes)}
        self._send("progress_state", data)
