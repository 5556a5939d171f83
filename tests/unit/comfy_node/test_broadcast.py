"""Progress to everybody: in order, not too often, and the newest always."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from comfy_node import broadcast
from comfy_node.broadcast import Broadcaster
from comfy_node.ledger import Ledger, Running
from tests.unit.comfy_node.conftest import pack_threads
from tests.waiting import PATIENCE_S, wait_for

GRAPH = {"1": {"class_type": "KSampler", "inputs": {}}}


class Stage:
    """A broadcaster with one running prompt, and what it sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.ledger = Ledger()
        self.broadcaster = Broadcaster(self.send, self.ledger)
        self.running = self.ledger.start("p1", "42", GRAPH)

    def send(self, name: str, data: dict[str, Any]) -> None:
        self.sent.append((name, data))

    def step(self, value: int, running: Running | None = None) -> None:
        running = running or self.running
        state = {"state": "running", "value": value, "max": 20}
        event = {"prompt_id": running.prompt_id, "nodes": {"1": state}}
        assert self.ledger.hear("progress_state", event) is running
        self.broadcaster.progress(running)

    def end(self, prompt_id: str = "p1", kind: str = "success") -> None:
        self.ledger.end(prompt_id, "42", kind, 5.0)
        self.broadcaster.end(prompt_id, "42", kind, 5.0)

    def names(self) -> list[str]:
        return [name.removeprefix("reconciler.") for name, _ in self.sent]

    def values(self) -> list[Any]:
        return [data["value"] for name, data in self.sent if name.endswith("progress")]

    def settle(self) -> None:
        assert self.broadcaster.wait_idle(PATIENCE_S)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.broadcaster.close()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that waits for its turn hardly waits."""
    monkeypatch.setattr(broadcast, "PROGRESS_PER_S", 200.0)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress has its turn once, and the next in this test never."""
    monkeypatch.setattr(broadcast, "PROGRESS_PER_S", 1e-6)


@pytest.mark.usefixtures("slow")
def test_start_progress_and_end_come_in_this_order_with_the_newest_state(stage: Stage) -> None:
    stage.broadcaster.start(stage.running)
    for value in range(20):
        stage.step(value)
    stage.end()
    stage.settle()

    assert stage.names() == ["start", "progress", "end"]
    assert stage.sent[0][1] == {"prompt_id": "p1", "job_id": "42", "at": stage.running.since}
    assert stage.sent[1][1] == {
        "prompt_id": "p1",
        "node_id": "1",
        "node_type": "KSampler",
        "value": 19,
        "max": 20,
        "nodes_done": 0,
        "at": stage.running.sign_at,
    }
    assert stage.sent[2][1] == {"prompt_id": "p1", "job_id": "42", "kind": "success", "at": 5.0}


@pytest.mark.usefixtures("slow")
def test_however_many_steps_there_are_few_events(stage: Stage) -> None:
    for value in range(1000):
        stage.step(value)
        if value == 0:
            wait_for(stage.values, "the first is sent at once")

    other = stage.ledger.start("p2", None, GRAPH)
    stage.step(7, other)
    wait_for(lambda: 7 in stage.values(), "the thread has looked again")
    assert stage.values() == [0, 7]
    stage.end()
    stage.settle()
    assert stage.values() == [0, 7, 999]


@pytest.mark.usefixtures("fast")
def test_the_last_state_is_sent_though_nothing_follows(stage: Stage) -> None:
    stage.broadcaster.start(stage.running)
    for value in range(50):
        stage.step(value)

    wait_for(lambda: stage.values()[-1:] == [49], "the trailing state")
    assert stage.values() == sorted(stage.values())


@pytest.mark.usefixtures("slow")
def test_each_prompt_has_its_own_measure(stage: Stage) -> None:
    other = stage.ledger.start("p2", None, GRAPH)
    stage.step(1)
    wait_for(stage.values, "the first prompt's progress")
    stage.step(2, other)
    wait_for(lambda: len(stage.values()) == 2, "the second prompt's does not wait for it")


@pytest.mark.usefixtures("fast")
def test_a_prompt_whose_end_nobody_tells_is_forgotten(stage: Stage) -> None:
    for n in range(100):
        stage.broadcaster.start(stage.ledger.start(f"p{n}", None, GRAPH))
    stage.end()
    stage.broadcaster.progress(stage.running)  # overtaken by the end

    wait_for(lambda: not stage.broadcaster._free_at, "nothing is kept of any of them")


def test_a_removed_prompt_has_only_an_end(stage: Stage) -> None:
    stage.end("pending", "removed")
    stage.settle()

    assert [(name, data["kind"]) for name, data in stage.sent] == [("reconciler.end", "removed")]


def test_a_server_that_cannot_send_is_told_once_and_costs_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str, data: dict[str, Any]) -> None:
        raise RuntimeError("Event loop is closed")

    broadcaster = Broadcaster(broken, stage.ledger)
    for _ in range(3):
        broadcaster.start(stage.running)
    assert broadcaster.wait_idle(PATIENCE_S)
    broadcaster.close()

    assert len(caplog.records) == 1


def test_a_thread_that_could_not_start_is_started_with_the_next_news(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError):
            stage.broadcaster.start(stage.running)
    stage.end()
    stage.settle()

    assert stage.names() == ["start", "end"]


def test_closed_it_sends_nothing_and_starts_no_thread(stage: Stage) -> None:
    before = pack_threads()
    stage.broadcaster.close()
    stage.broadcaster.start(stage.running)
    stage.step(1)
    stage.end()

    assert stage.sent == []
    assert pack_threads() - before == set()


def test_a_slow_server_holds_up_nobody_and_the_oldest_hints_are_dropped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "_MAX_WAITING", 3)
    release = threading.Event()
    entered = threading.Event()
    sent: list[str] = []

    def hangs(name: str, data: dict[str, Any]) -> None:
        entered.set()
        assert release.wait(PATIENCE_S)
        sent.append(data["prompt_id"])

    broadcaster = Broadcaster(hangs, stage.ledger)
    broadcaster.end("first", None, "success", 1.0)
    assert entered.wait(PATIENCE_S)
    for n in range(10):
        broadcaster.end(f"p{n}", None, "success", 1.0)
    release.set()
    assert broadcaster.wait_idle(PATIENCE_S)
    broadcaster.close()

    assert sent == ["first", "p7", "p8", "p9"]
