"""Which pending prompts a call took out of ComfyUI's queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .guard import guarded

_CONSEQUENCE = "prompts that were removed from the queue are not noted"


class Removals:
    """Compares the queue before and after, under its lock."""

    def __init__(self, queue: Any, removed: Callable[[list[Any]], None]) -> None:
        """`removed` is told the entries, while the lock is held."""
        self._queue = queue
        self._removed = removed
        #: Calls within calls, counted under the lock: to delete the last one wipes the queue.
        self._depth = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around a call of ComfyUI's own; its exceptions pass."""
        with self._queue.mutex:
            outermost = self._depth == 0
            before = guarded(_CONSEQUENCE, self._entries) if outermost else None
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if before:
                    guarded(_CONSEQUENCE, self._compare, before)

    def _entries(self) -> list[Any]:
        return list(self._queue.queue)

    def _compare(self, before: list[Any]) -> None:
        left = {id(entry) for entry in self._queue.queue}
        gone = [entry for entry in before if id(entry) not in left]
        if gone:
            self._removed(gone)
