"""Signals, in this very process: what is called, and when the process would be ended."""

from __future__ import annotations

import os
import signal
from queue import SimpleQueue

import pytest

from reconciler.cli.stopping import StopSignals
from tests.waiting import wait_for

PATIENCE_S = 10.0


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


def test_the_first_signal_asks_and_the_second_ends_at_once() -> None:
    asked: SimpleQueue[str] = SimpleQueue()
    ended: SimpleQueue[int] = SimpleQueue()
    with StopSignals(stop_s=PATIENCE_S * 3, end=ended.put) as signals:
        signals.then(lambda: asked.put("stop"))
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.get(timeout=PATIENCE_S) == "stop"
        assert ended.empty()
        os.kill(os.getpid(), signal.SIGINT)
        assert ended.get(timeout=PATIENCE_S) == 128 + signal.SIGINT


def test_a_stop_that_takes_too_long_is_cut_short_and_counts() -> None:
    ended: SimpleQueue[int] = SimpleQueue()
    with StopSignals(stop_s=0.05, end=ended.put) as signals:
        signals.then(lambda: None)
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.get(timeout=PATIENCE_S) == 0


def test_before_there_is_anything_to_stop_the_process_just_ends() -> None:
    ended: SimpleQueue[int] = SimpleQueue()
    with StopSignals(stop_s=PATIENCE_S, end=ended.put):
        with pytest.raises(SystemExit) as exit_:
            os.kill(os.getpid(), signal.SIGINT)
            wait_for(lambda: False, "the handler interrupts this")
        assert exit_.value.code == 0
    assert ended.empty()


def test_a_stop_that_was_asked_for_meanwhile_is_not_lost() -> None:
    """The signal came before `then`, and its handler is still to run."""
    asked: SimpleQueue[str] = SimpleQueue()
    with StopSignals(stop_s=PATIENCE_S, end=lambda code: None) as signals:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(lambda: False, "the handler interrupts this")
        except SystemExit:
            wait_for(lambda: signals._asked, "the thread has heard it")
        signals.then(lambda: asked.put("stop"))
        assert asked.get(timeout=PATIENCE_S) == "stop"


def test_everything_is_put_back() -> None:
    before = handlers()
    with StopSignals():
        assert handlers() != before
    assert handlers() == before
    assert signal.set_wakeup_fd(-1) == -1
