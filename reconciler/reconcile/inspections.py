"""The inspections that wait for a worker, and their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor

_Waiting = dict[Hashable, Callable[[], None]]


class Inspections:
    """Runs inspections on an executor; those that a verdict waits for overtake all others.

    A first listing may find the files of months, while jobs end as ever. Among equals the first
    come are the first served, so that many jobs that end at once cannot hold up one. Thread-safe.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._lock = threading.Lock()
        #: Work of a moment that ends a job, what other verdicts wait for, and everything else.
        self._quick: _Waiting = {}
        self._urgent: _Waiting = {}
        self._others: _Waiting = {}

    def add(
        self, key: Hashable, work: Callable[[], None], *, urgent: bool, quick: bool = False
    ) -> None:
        """Has `work` done, later. Raises RuntimeError once the executor is shut down."""
        with self._lock:
            (self._quick if quick else self._urgent if urgent else self._others)[key] = work
        self._executor.submit(self._next)

    def hurry(self, key: Hashable) -> None:
        """A verdict waits for it now. Nothing happens if it runs already."""
        with self._lock:
            if (work := self._others.pop(key, None)) is not None:
                self._urgent[key] = work

    def _next(self) -> None:
        with self._lock:
            waiting = self._quick or self._urgent or self._others
            work = waiting.pop(next(iter(waiting)))
        work()
