"""Notes on prompts: what events say, what is remembered, and for how long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_node import ledger as ledger_module
from comfy_node.contract import EXPECT_NODE, EXPECT_NODE_FRAMES, MAX_ENDED
from comfy_node.ledger import Ledger, Running, expect_frames

GRAPH = {str(n): {"class_type": f"Node{n}", "inputs": {}} for n in range(1, 4)}


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.worker_asks()
    return ledger


@pytest.fixture
def running(ledger: Ledger) -> Running:
    return ledger.start("p1", "42", GRAPH)


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ledger_module, "time", clock)
    return clock


class Interrupts(dict[str, Any]):
    """An event in whose midst the same thread tells another: a finalizer or a signal may."""

    def __init__(self, tell: Callable[[], object]) -> None:
        super().__init__(prompt_id="p1", node="2")
        self.tell = tell

    def get(self, key: str, default: Any = None) -> Any:
        if key == "node":
            self.tell()
        return super().get(key, default)


def states(ledger: Ledger, **nodes: tuple[str, float, float]) -> Any:
    told = {
        name[1:]: {"state": state, "value": value, "max": maximum}
        for name, (state, value, maximum) in nodes.items()
    }
    return ledger.hear("progress_state", {"prompt_id": "p1", "nodes": told})


def test_states_give_node_step_count_and_timings(clock: Clock, ledger: Ledger) -> None:
    running = ledger.start("p1", "42", GRAPH)
    clock.now += 1
    assert states(ledger, n1=("finished", 1, 1), n2=("running", 0, 20)) is running
    clock.now += 2
    states(ledger, n1=("finished", 1, 1), n2=("running", 20, 20))
    clock.now += 1
    states(ledger, n1=("finished", 1, 1), n2=("finished", 20, 20), n3=("running", 0, 1))
    told = ledger.view().running["p1"]
    clock.now += 4

    assert told == {
        "since": 1000,
        "sign_at": 1004,
        "node_id": "3",
        "node_type": "Node3",
        "value": 0,
        "max": 1,
        "nodes_done": 2,
    }
    assert ledger.close_nodes(running) == {"2": 3, "3": 4}, "1 came from the cache"


def test_a_finished_node_stays_shown_whole_until_the_next_one(
    ledger: Ledger, running: Running
) -> None:
    states(ledger, n1=("running", 3, 20))
    states(ledger, n1=("finished", 20, 20))

    assert (running.node_id, running.value, running.maximum) == ("1", 20, 20)


def test_nodes_that_a_node_put_in_for_itself_count_as_that_node(
    ledger: Ledger, running: Running
) -> None:
    inner = {"state": "running", "value": 2, "max": 4, "real_node_id": "2"}
    outer = {"state": "running", "value": 0, "max": 1, "real_node_id": "2"}
    done = {"state": "finished", "value": 1, "max": 1, "real_node_id": "2"}
    nodes = {"2": outer, "2.0.0.1": done, "2.0.0.2": inner}

    ledger.hear("progress_state", {"prompt_id": "p1", "nodes": nodes})

    assert (running.node_id, running.value, running.maximum) == ("2", 2, 4)
    assert (running.done, list(running.begun)) == (set(), ["2"])


def test_older_comfyuis_tell_starts_and_steps_alone(clock: Clock, ledger: Ledger) -> None:
    running = ledger.start("p1", None, GRAPH)
    for node in ("1", "2"):
        ledger.hear("executing", {"prompt_id": "p1", "node": node})
        clock.now += 5
        assert ledger.hear("progress", {"prompt_id": "p1", "node": node, "value": 4, "max": 20})
    assert ledger.hear("executing", {"prompt_id": "p1", "node": None}) is None

    assert (running.node_id, running.value, running.done) == ("2", 4, {"1"})
    assert ledger.close_nodes(running) == {"1": 5, "2": 5}


def test_where_states_are_told_the_older_events_are_only_signs_of_life(
    clock: Clock, ledger: Ledger
) -> None:
    running = ledger.start("p1", None, GRAPH)
    states(ledger, n1=("running", 3, 20))
    clock.now += 5

    assert ledger.hear("progress", {"prompt_id": "p1", "node": "1", "value": 9, "max": 9}) is None
    assert (running.value, running.sign_at) == (3, 1005)


def test_a_preview_from_the_worker_s_thread_is_a_sign_of_life(clock: Clock, ledger: Ledger) -> None:
    running = ledger.start("p1", None, GRAPH)
    clock.now += 5
    elsewhere = threading.Thread(target=ledger.hear, args=(1, b"another's"))
    elsewhere.start()
    elsewhere.join()
    assert running.sign_at == 1000

    ledger.hear(1, b"preview")

    assert running.sign_at == 1005


@pytest.mark.parametrize("data", [{"prompt_id": "p2", "nodes": {}}, {"nodes": {}}, None, []])
def test_events_of_prompts_that_do_not_run_change_nothing(
    data: Any, ledger: Ledger, running: Running
) -> None:
    assert ledger.hear("progress_state", data) is None
    assert ledger.hear("status", {"prompt_id": "p1"}) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "3", True, None])
def test_steps_that_are_no_numbers_are_unknown(
    value: Any, ledger: Ledger, running: Running
) -> None:
    states(ledger, n1=("running", value, 20))

    assert (running.value, running.maximum) == (None, 20)


def test_ends_are_numbered_and_the_oldest_forgotten(ledger: Ledger) -> None:
    for n in range(MAX_ENDED + 3):
        ledger.end(f"p{n}", None, "success", n)

    view = ledger.view()
    assert view.cursor == MAX_ENDED + 3
    assert [end.seq for end in view.ended] == list(range(4, MAX_ENDED + 4))


def test_the_removal_of_a_namesake_ends_no_running_prompt(ledger: Ledger, running: Running) -> None:
    ledger.end("p1", None, "removed", 1.0)
    assert ledger.find("p1") is running
    ledger.end("p1", None, "success", 2.0)
    assert ledger.find("p1") is None


def test_submissions_are_remembered_up_to_a_number(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MAX_SUBMITTED", 2)
    for prompt_id in ("a", "b", "a", "c"):
        ledger.submit(prompt_id)

    assert [ledger.submitted_at(one) is not None for one in "abc"] == [True, False, True]


def test_a_node_promises_frames_for_the_prompt_of_its_thread(
    ledger: Ledger, running: Running
) -> None:
    expect_frames(72)
    other = threading.Thread(target=expect_frames, args=(5,))
    other.start()
    other.join()
    assert running.expected_frames() == 72

    expect_frames(48)
    assert running.expected_frames() is None, "two numbers promise none"


@pytest.mark.parametrize("frames", [0, -1, True, "72", None, 7.5, [1]])
def test_what_is_no_number_of_frames_promises_nothing(
    frames: Any, ledger: Ledger, running: Running
) -> None:
    expect_frames(frames)

    assert running.promised == set()


def test_outside_a_prompt_a_promise_does_nothing(ledger: Ledger, running: Running) -> None:
    ledger.worker_asks()

    expect_frames(72)

    assert running.promised == set()
    assert ledger.view().running == {}


def test_a_node_that_was_answered_from_the_cache_promises_by_its_literal(ledger: Ledger) -> None:
    graph = {"1": {"class_type": EXPECT_NODE, "inputs": {EXPECT_NODE_FRAMES: 72}}}
    running = ledger.start("p1", None, graph)

    assert running.expected_frames() == 72
    expect_frames(72)
    assert running.expected_frames() == 72
    expect_frames(48)
    assert running.expected_frames() is None


def test_a_lost_end_leaves_a_gap(ledger: Ledger) -> None:
    ledger.end("a", None, "success", 1.0)
    ledger.lose()
    ledger.end("b", None, "success", 2.0)

    assert [end.seq for end in ledger.view().ended] == [1, 3]


words = st.sampled_from(["pending", "running", "finished", "error"])
numbers = st.floats() | st.integers() | st.none() | st.text(max_size=2)
node_states = st.fixed_dictionaries(
    {"state": words, "value": numbers, "max": numbers}, optional={"real_node_id": st.text("123x")}
)
node_maps = st.dictionaries(st.sampled_from(["1", "2", "3", "2.0.1", "9"]), node_states)


@settings(deadline=None)
@given(st.lists(node_maps, max_size=8))
def test_whatever_states_come_only_nodes_of_the_graph_are_told(events: list[Any]) -> None:
    ledger = Ledger()
    running = ledger.start("p1", None, GRAPH)

    for nodes in events:
        ledger.hear("progress_state", {"prompt_id": "p1", "nodes": nodes})

    seconds = ledger.close_nodes(running)
    assert set(seconds) | running.done | ({running.node_id} - {None}) <= set(GRAPH)
    assert all(value >= 0 for value in seconds.values())
    for number in (running.value, running.maximum):
        assert number is None or abs(number) < 1e15


def test_an_event_in_the_midst_of_another_does_not_wait_for_it(
    ledger: Ledger, running: Running
) -> None:
    inner = {"prompt_id": "p1", "node": "3"}
    event = Interrupts(lambda: ledger.hear("executing", inner))
    teller = threading.Thread(target=ledger.hear, args=("executing", event), daemon=True)
    teller.start()
    teller.join(5)

    assert not teller.is_alive()
    assert running.node_id == "2"
