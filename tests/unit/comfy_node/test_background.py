"""The thread for what nobody waits for."""

from __future__ import annotations

import threading

import pytest

from comfy_node.background import Background
from tests.waiting import PATIENCE_S


def test_tasks_run_in_their_order_and_a_failing_one_stops_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[int] = []
    background = Background("reconciler-test", limit=10)

    def fail() -> None:
        raise LookupError("broken on purpose")

    for n in range(3):
        assert background.submit(lambda n=n: done.append(n))  # type: ignore[misc]
        assert background.submit(fail)
    assert background.wait_idle(PATIENCE_S)
    background.close()

    assert done == [0, 1, 2]
    assert len(caplog.records) == 1
    assert "reconciler-test" in caplog.text


def test_what_is_too_much_is_refused_and_what_waits_is_dropped_at_the_end() -> None:
    background = Background("reconciler-test", limit=2)
    entered, release = threading.Event(), threading.Event()
    done: list[str] = []

    def wait() -> None:
        entered.set()
        assert release.wait(PATIENCE_S)
        done.append("first")

    assert background.submit(wait)
    assert entered.wait(PATIENCE_S)
    assert [background.submit(lambda: done.append("dropped")) for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert not background.is_empty()
    assert not background.wait_idle(0)
    background.closing.set()
    release.set()
    background.close()

    assert done == ["first"]
    assert not background.submit(lambda: done.append("late"))


def test_a_thread_that_could_not_start_is_started_with_the_next_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    background = Background("reconciler-test", limit=10)
    done: list[str] = []

    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", no_more)
        assert not background.submit(lambda: done.append("first"))
    assert background.submit(lambda: done.append("second"))
    assert background.wait_idle(PATIENCE_S)
    background.close()

    assert done == ["second"]


def test_without_a_task_there_is_no_thread() -> None:
    background = Background("reconciler-test", limit=1)

    assert background.wait_idle(0)
    assert "reconciler-test" not in [thread.name for thread in threading.enumerate()]
    background.close()
