"""The prompt queue and the history, under one lock, as ComfyUI keeps them."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import Any

#: `[number, prompt_id, graph, extra_data, ids of the output nodes]`, as /queue shows it. A tuple,
#: because the heap compares the numbers first and the ids next.
Item = tuple[float, str, dict[str, Any], dict[str, Any], list[str]]

#: ComfyUI forgets the oldest entries beyond this many.
HISTORY_LIMIT = 10_000


class PromptQueue:
    """Pending prompts (a heap), running ones, and the history.

    A prompt leaves the queue and enters the history under one lock, so that a reader who looks at
    the queue first and at the history next finds every live prompt in one of the two.
    """

    def __init__(self, on_change: Callable[[int], None]) -> None:
        """`on_change` is told how many prompts remain, whenever the queue changes."""
        self._lock = threading.RLock()
        self._filled = threading.Condition(self._lock)
        self._pending: list[Item] = []
        self._running: dict[str, Item] = {}
        self._history: dict[str, dict[str, Any]] = {}
        self._on_change = on_change

    @property
    def remaining(self) -> int:
        """Prompts that are pending or running."""
        with self._lock:
            return len(self._pending) + len(self._running)

    def put(self, item: Item) -> None:
        """Add a pending prompt; one that has number and id of another is not noticed."""
        with self._lock:
            heapq.heappush(self._pending, item)
            self._changed()
            self._filled.notify()

    def take(self, look_s: float = 0.1) -> Item | None:
        """Move the prompt with the smallest number to the running ones; None after `look_s`."""
        with self._filled:
            if not self._filled.wait_for(lambda: bool(self._pending), timeout=look_s):
                return None
            item = heapq.heappop(self._pending)
            self._running[item[1]] = item
            self._changed()
            return item

    def finish(self, prompt_id: str, result: dict[str, Any], status: dict[str, Any]) -> None:
        """Move a running prompt into the history, in one step."""
        with self._lock:
            item = self._running.pop(prompt_id)
            if len(self._history) > HISTORY_LIMIT:
                self._history.pop(next(iter(self._history)))
            entry: dict[str, Any] = {"prompt": list(item), "outputs": {}, "status": status}
            self._history[prompt_id] = entry | result
            self._changed()

    def snapshot(self) -> tuple[list[Item], list[Item]]:
        """Running prompts, and pending ones in the heap's order, which is not sorted."""
        with self._lock:
            return list(self._running.values()), list(self._pending)

    def delete(self, prompt_id: str) -> bool:
        """Take a pending prompt out of the queue; it leaves no trace. False if it is not there."""
        with self._lock:
            rest = [item for item in self._pending if item[1] != prompt_id]
            if len(rest) == len(self._pending):
                return False
            self._pending = rest
            heapq.heapify(self._pending)
            self._changed()
            if not rest:
                self._changed()  # ComfyUI wipes the emptied queue, and tells of that as well
            return True

    def clear(self) -> list[Item]:
        """Take every pending prompt out of the queue, and return them."""
        with self._lock:
            removed, self._pending = self._pending, []
            self._changed()
            return removed

    def is_running(self, prompt_id: str) -> bool:
        """True while the prompt runs."""
        with self._lock:
            return prompt_id in self._running

    def history(self, max_items: int | None = None, offset: int = -1) -> dict[str, Any]:
        """The entries from `offset` on, at most `max_items`; by default the last ones."""
        with self._lock:
            ids = list(self._history)
            if offset < 0:
                offset = 0 if max_items is None else max(len(ids) - max_items, 0)
            stop = None if max_items is None else offset + max_items
            return {key: self._history[key] for key in ids[offset:stop]}

    def history_of(self, prompt_id: str) -> dict[str, Any]:
        """The entry of one prompt under its id; empty if there is none."""
        with self._lock:
            entry = self._history.get(prompt_id)
            return {} if entry is None else {prompt_id: entry}

    def forget(self, prompt_id: str) -> None:
        """Delete an entry of the history."""
        with self._lock:
            self._history.pop(prompt_id, None)

    def forget_all(self) -> None:
        """Delete the whole history."""
        with self._lock:
            self._history = {}

    def _changed(self) -> None:
        self._on_change(self.remaining)
