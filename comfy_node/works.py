"""What kind of work each prompt is, found out once, when it is put into the queue."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from .shapes import workflow_shape, workflow_sizes

#: Prompts that are remembered.
MAX_KEPT = 20_000


class Works:
    """`workflow` and `sizes` of prompts; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def note(self, prompt_id: str, graph: dict[str, Any]) -> dict[str, Any]:
        """Takes note of a prompt: its id may have been used before, with another graph."""
        told = {"workflow": workflow_shape(graph), "sizes": workflow_sizes(graph) or None}
        with self._lock:
            self._kept[prompt_id] = told
            self._kept.move_to_end(prompt_id)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return told

    def of(self, prompt_id: str, graph: dict[str, Any]) -> dict[str, Any]:
        """What was noted, or is found out now: a prompt may have been queued before us."""
        with self._lock:
            kept = self._kept.get(prompt_id)
        return self.note(prompt_id, graph) if kept is None else kept
