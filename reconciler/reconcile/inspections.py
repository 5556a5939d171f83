"""The inspections that wait for a worker, and their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from itertools import count

#: Files below this size are small: even at the low rate of 5 Mbit/s they hold half a minute of
#: video, which is decoded in seconds. A film of 20 minutes in 4K has a hundred times as much.
SMALL_BYTES = 20_000_000


class _Rank(IntEnum):
    #: Work of a moment that ends a job.
    QUICK = 0
    #: Other verdicts wait for it.
    URGENT = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class _Work:
    number: int
    run: Callable[[], None]
    small: bool


class Inspections:
    """Runs inspections on an executor; those that a verdict waits for overtake all others.

    A first listing may find the files of months, while jobs end as ever. Among equals the first
    come are the first served, so that many jobs that end at once cannot hold up one. At most
    `long_at_once` inspections of large files run at a time: with one thread more in the executor
    than that, small ones never wait for a film that takes an hour. Thread-safe.
    """

    def __init__(self, executor: Executor, long_at_once: int = 1) -> None:
        self._executor = executor
        self._long_at_once = long_at_once
        self._lock = threading.Lock()
        self._numbers = count()
        #: Large ones that run.
        self._long = 0
        #: By rank and whether they are small, each in the order of arrival.
        self._waiting: dict[tuple[_Rank, bool], dict[Hashable, _Work]] = {
            (rank, small): {} for rank in _Rank for small in (False, True)
        }

    def add(
        self,
        key: Hashable,
        work: Callable[[], None],
        *,
        urgent: bool,
        quick: bool = False,
        small: bool = False,
    ) -> None:
        """Has `work` done, later. Raises RuntimeError once the executor is shut down."""
        rank = _Rank.QUICK if quick else _Rank.URGENT if urgent else _Rank.OTHER
        with self._lock:
            self._waiting[rank, small][key] = _Work(next(self._numbers), work, small)
        self._executor.submit(self._next)

    def hurry(self, key: Hashable) -> None:
        """A verdict waits for it now. Nothing happens if it runs already."""
        with self._lock:
            for small in (False, True):
                work = self._waiting[_Rank.OTHER, small].pop(key, None)
                if work is not None:
                    self._waiting[_Rank.URGENT, small][key] = work

    def verdict_waits(self) -> bool:
        """True while an inspection that a verdict needs has not begun yet."""
        with self._lock:
            return any(work for (rank, _), work in self._waiting.items() if rank < _Rank.OTHER)

    def _next(self) -> None:
        work = self._take()
        if work is None:
            return  # large ones wait: each that ends fetches the next
        try:
            work.run()
        finally:
            if not work.small:
                with self._lock:
                    self._long -= 1
                with suppress(RuntimeError):  # the service is stopping
                    self._executor.submit(self._next)

    def _take(self) -> _Work | None:
        with self._lock:
            sizes = (True, False) if self._long < self._long_at_once else (True,)
            for rank in _Rank:
                queues = [self._waiting[rank, small] for small in sizes]
                firsts = [(queue, next(iter(queue))) for queue in queues if queue]
                if firsts:
                    queue, key = min(firsts, key=lambda pair: pair[0][pair[1]].number)
                    work = queue.pop(key)
                    self._long += not work.small
                    return work
        return None
