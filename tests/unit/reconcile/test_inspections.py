"""In which order inspections get a worker."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from reconciler.reconcile.inspections import Inspections


class Later(Executor):
    """Does nothing until it is told to."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], Any]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked.append(fn)
        return Future()

    def work(self) -> None:
        for each in self.asked:
            each()


def test_first_come_first_served_but_for_those_that_a_verdict_waits_for() -> None:
    later, done = Later(), []
    inspections = Inspections(later)

    def add(name: str, **how: bool) -> None:
        inspections.add(name, lambda: done.append(name), **{"urgent": False, **how})

    add("old 1")
    add("old 2")
    add("old 3")
    add("new 1", urgent=True)
    add("new 2", urgent=True)
    inspections.hurry("old 2")
    add("digest", urgent=True, quick=True)
    for _ in range(3):
        inspections.hurry("new 2")
    add("old 4")
    inspections.hurry("nobody's")
    later.work()
    assert done == ["digest", "new 1", "new 2", "old 2", "old 1", "old 3", "old 4"]


def test_after_the_end_nothing_is_taken() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        Inspections(pool).add("late", lambda: None, urgent=True)
