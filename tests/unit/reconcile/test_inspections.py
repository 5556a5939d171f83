"""In which order inspections get a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
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


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Work:
    """Work that begins, and ends when it is let."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.log.append(self.name)
        self.begun.set()
        assert self.may_end.wait(20)


def test_a_long_one_holds_up_no_small_one(pool: ThreadPoolExecutor) -> None:
    inspections, log, done = Inspections(pool, 1), [], threading.Event()
    film, other = Work(log, "film"), Work(log, "other film")
    inspections.add("film", film, urgent=False)
    assert film.begun.wait(20)
    inspections.add("other film", other, urgent=True)
    for number in range(10):
        inspections.add(number, lambda n=number: log.append(str(n)), urgent=False, small=True)
    inspections.add("last", done.set, urgent=False, small=True)
    assert done.wait(20)
    assert log == ["film", *map(str, range(10))]
    film.may_end.set()
    assert other.begun.wait(20)
    other.may_end.set()


def test_a_small_one_that_blocks_keeps_the_others_from_nothing(pool: ThreadPoolExecutor) -> None:
    inspections, log, done = Inspections(pool, 1), [], threading.Event()
    bomb = Work(log, "bomb")
    inspections.add("bomb", bomb, urgent=True, small=True)
    assert bomb.begun.wait(20)
    inspections.add("film", lambda: log.append("film"), urgent=False)
    inspections.add("small", done.set, urgent=False, small=True)
    assert done.wait(20)
    assert log == ["bomb", "film"]
    bomb.may_end.set()


def test_work_that_raises_leaves_its_place(pool: ThreadPoolExecutor) -> None:
    inspections, done = Inspections(pool, 1), threading.Event()
    inspections.add("broken", lambda: 1 / 0, urgent=True)
    inspections.add("film", done.set, urgent=False)
    assert done.wait(20)


def test_large_ones_that_waited_are_all_done_in_order() -> None:
    later, log = Later(), []
    inspections = Inspections(later, 1)
    inside: list[int] = []

    def begin() -> None:
        inside.append(len(later.asked))
        for each in list(later.asked[1:]):  # every other thread finds a large one running
            each()
        log.append("first")

    inspections.add("first", begin, urgent=True)
    for name in ("a", "b", "c"):
        inspections.add(name, lambda name=name: log.append(name), urgent=False)
    later.work()
    assert inside == [4]
    assert log == ["first", "a", "b", "c"]


def test_after_the_end_nothing_is_taken() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        Inspections(pool).add("late", lambda: None, urgent=True)
