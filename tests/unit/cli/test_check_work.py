"""Files judged side by side are told in their order, within bounded memory, until it is enough."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from reconciler.cli.check.checked import Checked
from reconciler.cli.check.work import AHEAD, Interrupts, in_order
from tests.unit.cli.checking import sound
from tests.waiting import wait_for

PATHS = [Path(f"{number:04}.gif") for number in range(3 * AHEAD)]


def never() -> bool:
    return False


class Desk:
    """Takes files, and judges them when a test says so."""

    def __init__(self) -> None:
        self.futures: dict[Path, Future[Checked]] = {}
        self.news: SimpleQueue[object] = SimpleQueue()

    def submit(self, path: Path) -> Future[Checked]:
        self.futures[path] = Future()
        return self.futures[path]

    def judge(self, path: Path) -> None:
        self.futures[path].set_result(sound(path.name))


def test_the_order_is_kept_whatever_is_done_first() -> None:
    desk = Desk()
    with ThreadPoolExecutor(4) as threads:
        told = in_order(PATHS, lambda p: threads.submit(sound, p.name), desk.news, never)
        assert [one.path for one in told] == PATHS


def test_no_more_is_begun_than_can_be_told_soon() -> None:
    desk = Desk()
    taken: list[Path] = []

    def listed() -> Iterator[Path]:
        for path in PATHS:
            taken.append(path)
            yield path

    told = in_order(listed(), desk.submit, desk.news, never)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(next, told)
        wait_for(lambda: PATHS[AHEAD - 1] in desk.futures, "all that may be begun")
        desk.judge(PATHS[0])
        assert first.result(30.0).path == PATHS[0]
    assert len(taken) == AHEAD


def test_once_it_is_enough_what_is_judged_is_told() -> None:
    desk = Desk()
    enough = False

    def submit(path: Path) -> Future[Checked]:
        future = desk.submit(path)
        if path in (PATHS[0], PATHS[2]):
            desk.judge(path)
        return future

    told = in_order(PATHS, submit, desk.news, lambda: enough)
    assert next(told).path == PATHS[0]
    enough = True
    desk.news.put(None)
    assert [one.path for one in told] == [PATHS[2]]


def test_a_signal_is_news_and_a_second_one_ends_it() -> None:
    heard: list[None] = []
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts(lambda: heard.append(None)) as interrupts:
        assert not interrupts.came()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.came()
        assert (interrupts.number, len(heard)) == (signal.SIGTERM, 1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            signal.sigtimedwait([], 1.0)
    assert signal.getsignal(signal.SIGTERM) is before
