"""One inbox that merges bursts: nothing is lost, nothing blocks, nothing grows."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.inbox import EVERYTHING, Inbox

#: Longer than any test takes: a wait that reaches it has failed.
LONG_S = 60.0


class Taker(threading.Thread):
    """Takes once from an inbox in its own thread."""

    def __init__(self, inbox: Inbox, timeout_s: float = LONG_S, merge_s: float = 0.0) -> None:
        super().__init__(daemon=True)
        self._take = lambda: inbox.take(timeout_s, merge_s)
        self._taken: frozenset[Hashable] | None = None
        self.start()

    def run(self) -> None:
        self._taken = self._take()

    def taken(self) -> frozenset[Hashable]:
        self.join(timeout=10.0)
        assert self._taken is not None, "take did not return"
        return self._taken


def test_equal_topics_merge_and_are_taken_once() -> None:
    inbox = Inbox()
    for topic in ("a", "b", "a", ("job", 1), ("job", 1)):
        inbox.put(topic)
    assert inbox.take(0.0, 0.0) == {"a", "b", ("job", 1)}
    assert inbox.take(0.0, 0.0) == frozenset()


def test_a_take_without_topics_ends_after_its_timeout() -> None:
    assert Inbox().take(0.01, LONG_S) == frozenset()


def test_a_put_from_another_thread_wakes_the_take() -> None:
    inbox = Inbox()
    taker = Taker(inbox)
    inbox.put("a")
    assert taker.taken() == {"a"}


def test_topics_that_come_while_merging_are_taken_along() -> None:
    inbox = Inbox()
    inbox.put("first")
    taker = Taker(inbox, merge_s=LONG_S)
    inbox.put("second")
    inbox.close()
    assert taker.taken() == {"first", "second"}


def test_merging_ends_by_itself() -> None:
    inbox = Inbox()
    inbox.put("first")
    assert Taker(inbox, merge_s=0.01).taken() == {"first"}


def test_merging_counts_from_the_first_put_and_is_not_put_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A topic that waited while we were busy has merged already, however late another came."""
    inbox = Inbox()
    inbox.put("first")
    late_s = time.monotonic() + 2 * LONG_S
    monkeypatch.setattr("reconciler.inbox.time.monotonic", lambda: late_s)
    inbox.put("last")
    assert Taker(inbox, merge_s=LONG_S).taken() == {"first", "last"}


def test_a_burst_from_many_threads_is_one_look() -> None:
    inbox = Inbox(limit=2000)
    threads = [
        threading.Thread(target=lambda start=start: [inbox.put(start + i) for i in range(500)])
        for start in range(0, 2000, 500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inbox.take(0.0, 0.0) == set(range(2000))


def test_more_topics_than_the_limit_become_everything() -> None:
    inbox = Inbox(limit=3)
    for number in range(3):
        inbox.put(number)
    inbox.put(0)
    assert inbox.take(0.0, 0.0) == {0, 1, 2}
    for number in range(10):
        inbox.put(number)
    assert inbox.take(0.0, 0.0) == {EVERYTHING}
    inbox.put("a")
    assert inbox.take(0.0, 0.0) == {"a"}


def test_everything_absorbs_what_is_there_and_what_comes() -> None:
    inbox = Inbox()
    inbox.put("before")
    inbox.put(EVERYTHING)
    inbox.put("after")
    assert inbox.take(0.0, 0.0) == {EVERYTHING}


def test_no_topic_of_the_application_is_mistaken_for_everything() -> None:
    inbox = Inbox()
    inbox.put("everything")
    inbox.put("job")
    assert inbox.take(0.0, 0.0) == {"everything", "job"}
    assert repr(EVERYTHING) == "EVERYTHING"


def test_close_wakes_a_take_that_waits() -> None:
    inbox = Inbox()
    taker = Taker(inbox)
    inbox.close()
    assert taker.taken() == frozenset()
    assert inbox.closed


def test_close_wakes_a_take_that_merges_and_loses_nothing() -> None:
    inbox = Inbox()
    inbox.put("a")
    taker = Taker(inbox, merge_s=LONG_S)
    inbox.close()
    assert taker.taken() == {"a"}


def test_after_close_nothing_waits_and_nothing_is_kept() -> None:
    inbox = Inbox()
    inbox.close()
    inbox.put("a")
    assert Taker(inbox, merge_s=LONG_S).taken() == frozenset()


def test_a_signal_handler_may_close_it_while_the_same_thread_takes() -> None:
    inbox = Inbox()
    before = signal.signal(signal.SIGUSR1, lambda *_: inbox.close())
    sender = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])
    sender.start()
    try:
        assert inbox.take(LONG_S, LONG_S) == frozenset()
        assert inbox.closed
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)


@given(
    st.lists(st.one_of(st.integers(0, 9), st.just("take"), st.just(EVERYTHING)), max_size=60),
    st.integers(1, 6),
)
def test_each_topic_is_in_the_next_take_or_everything_is(steps: list[object], limit: int) -> None:
    inbox = Inbox(limit)
    put: set[object] = set()
    for step in [*steps, "take"]:
        if step != "take":
            inbox.put(step)
            put.add(step)
            continue
        taken = inbox.take(0.0, 0.0)
        if EVERYTHING in put or len(put) > limit:
            assert taken == {EVERYTHING}
        else:
            assert taken == put
        put.clear()
