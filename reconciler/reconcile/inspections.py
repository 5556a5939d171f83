"""The inspections that wait for a worker, and their order."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Executor


class Inspections:
    """Runs inspections on an executor; those that a verdict waits for overtake all others.

    A first listing may find the files of months, while jobs end as ever. Thread-safe.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Hashable, Callable[[], None]] = OrderedDict()

    def add(self, key: Hashable, work: Callable[[], None], *, urgent: bool) -> None:
        """Has `work` done, later. Raises RuntimeError once the executor is shut down."""
        with self._lock:
            self._waiting[key] = work
            self._waiting.move_to_end(key, last=not urgent)
        self._executor.submit(self._next)

    def hurry(self, key: Hashable) -> None:
        """A verdict waits for it now. Nothing happens if it runs already."""
        with self._lock:
            if key in self._waiting:
                self._waiting.move_to_end(key, last=False)

    def _next(self) -> None:
        with self._lock:
            _, work = self._waiting.popitem(last=False)
        work()
