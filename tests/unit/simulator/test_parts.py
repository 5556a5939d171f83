"""The small parts: file names, the queue, progress, signals, and the order of a graph."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import OutsideOutput
from reconciler.simulator import queue as queue_module
from reconciler.simulator.files import find_target, next_number, next_vhs_number
from reconciler.simulator.graph import Graph, run_order, signatures
from reconciler.simulator.node_types import NODE_TYPES
from reconciler.simulator.nodes import NODES
from reconciler.simulator.progress import Progress
from reconciler.simulator.queue import Item, OldPromptQueue, PromptQueue, remove_sensitive
from reconciler.simulator.signals import Interrupted, LifeOver, Signals, WorkerKilled
from reconciler.simulator.validation import validate
from reconciler.simulator.versions import VERSIONS


@pytest.mark.parametrize(
    ("prefix", "subfolder", "name"),
    [("a", "", "a"), ("x/y/a", "x/y", "a"), ("x/../a", "", "a"), ("a b", "", "a b")],
)
def test_a_prefix_names_folder_and_file(
    tmp_path: Path, prefix: str, subfolder: str, name: str
) -> None:
    target = find_target(tmp_path, prefix)
    assert (target.subfolder, target.name) == (subfolder, name)
    assert target.folder == tmp_path / subfolder
    assert target.folder.is_dir()


@pytest.mark.parametrize("prefix", ["../a", "x/../../a", "/etc/a"])
def test_a_prefix_that_leaves_the_directory_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(OutsideOutput, match="stays inside"):
        find_target(tmp_path / "output", prefix)


def test_counters_look_at_their_own_names_only(tmp_path: Path) -> None:
    target = find_target(tmp_path, "a")
    assert (next_number(target, True), next_vhs_number(target)) == (1, 1)
    for name in ("a_00003_.mp4", "a_00007.mp4", "ab_00009_.png", "a_x_.png", "A_00008-audio.mp4"):
        (tmp_path / name).touch()
    assert next_number(target, counts_every_number=True) == 8, "upper case is another name"
    assert next_number(target, counts_every_number=False) == 4
    assert next_vhs_number(target) == 9


def item(number: float, prompt_id: str) -> Item:
    return (number, prompt_id, {}, {}, [])


@given(st.lists(st.floats(allow_nan=False), max_size=30))
def test_prompts_are_taken_by_number_whatever_the_order(numbers: list[float]) -> None:
    queue = PromptQueue(lambda: None)
    for index, number in enumerate(numbers):
        queue.put(item(number, str(index)))
    taken = [queue.get(timeout=0) for _ in numbers]
    assert [each[0][0] for each in taken if each] == sorted(numbers)
    assert [each[1] for each in taken if each] == list(range(len(numbers)))
    assert queue.get(timeout=0) is None


def test_each_change_of_the_queue_is_told() -> None:
    told: list[int] = []
    queue = PromptQueue(lambda: told.append(queue.get_tasks_remaining()))
    for name in "abc":
        queue.put(item(1, name))
    queue.get()
    assert delete(queue, "b")
    assert not delete(queue, "a"), "it runs"
    assert delete(queue, "c")
    queue.task_done(0, {"outputs": {}}, None)
    assert told == [1, 2, 3, 3, 2, 1, 1, 0]


def delete(queue: PromptQueue, prompt_id: str) -> bool:
    return queue.delete_queue_item(lambda each: each[1] == prompt_id)


def test_copies_of_the_queue_are_nobodys_but_the_askers() -> None:
    queue = PromptQueue(lambda: None)
    for name in "ab":
        queue.put((1, name, {"1": {}}, {}, []))
    queue.get()
    [running], [pending] = queue.get_current_queue()
    pending[2]["1"] = "changed"
    assert (running[1], pending[1]) == ("a", "b")
    assert queue.queue[0][2] == {"1": {}}


def test_a_running_item_is_a_copy_of_the_one_that_is_run() -> None:
    queue = PromptQueue(lambda: None)
    queue.put(item(1, "a"))
    taken = queue.get()
    assert taken is not None
    assert queue.currently_running[taken[1]] == taken[0]
    assert queue.currently_running[taken[1]][3] is not taken[0][3]


def test_of_two_with_one_id_one_is_deleted() -> None:
    queue = PromptQueue(lambda: None)
    for number in (1, 2):
        queue.put(item(number, "a"))
    assert delete(queue, "a")
    assert queue.get_tasks_remaining() == 1


def test_secrets_stay_out_of_the_history() -> None:
    """0.3.64 takes them out itself, for 0.33.0 its worker does."""
    old, new = OldPromptQueue(lambda: None), PromptQueue(lambda: None)
    old.put((1, "a", {}, {"api_key_comfy_org": "secret", "job_id": 1}, []))
    old.get()
    old.task_done(0, {}, None)
    assert old.get_history("a")["a"]["prompt"] == (1, "a", {}, {"job_id": 1}, [])
    new.put((1, "a", {}, {}, [], {"api_key_comfy_org": "secret"}))
    new.get()
    new.task_done(0, {}, None, process_item=remove_sensitive)
    assert new.get_history("a")["a"]["prompt"] == (1, "a", {}, {}, [])


def test_the_history_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "HISTORY_LIMIT", 2)
    queue = PromptQueue(lambda: None)
    for item_id, name in enumerate("abcd"):
        queue.put(item(1, name))
        queue.get()
        queue.task_done(item_id, {}, None)
    assert list(queue.get_history()) == ["b", "c", "d"]
    assert list(queue.get_history(max_items=1)) == ["d"]
    assert list(queue.get_history(max_items=1, offset=0)) == ["b"]


def progress_of(steps: int, interval_s: float) -> list[tuple[str, dict[str, Any]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    progress = Progress("p", lambda name, data: told.append((name, data)), interval_s)
    progress.start("1")
    for step in range(steps):
        progress.update("1", step + 1, steps)
    progress.finish("1")
    return told


def test_the_old_version_tells_every_step_and_the_new_one_first_and_last() -> None:
    for version, steps in (("0.3.64", [1, 2, 3, 4, 5]), ("0.33.0", [1, 5])):
        told = progress_of(5, VERSIONS[version].progress_interval_s)
        assert [data["value"] for name, data in told if name == "progress"] == steps
        values = [data["nodes"]["1"]["value"] for name, data in told if name == "progress_state"]
        assert values == [0.0, *steps, 5]


def test_a_pause_ends_with_what_the_outside_wants() -> None:
    signals = Signals()
    signals.pause(0)
    signals.interrupt()
    with pytest.raises(Interrupted):
        signals.pause(60)
    signals.pause(0)
    signals.interrupt()
    signals.forget_interrupt()
    signals.pause(0)
    signals.kill_worker()
    with pytest.raises(WorkerKilled):
        signals.pause(60)
    signals.end()
    with pytest.raises(LifeOver):
        signals.pause(60)
    with pytest.raises(LifeOver):
        signals.hang()


def test_a_hung_thread_hears_only_the_end() -> None:
    signals = Signals()
    ended = threading.Event()

    def hang() -> None:
        with pytest.raises(LifeOver):
            signals.hang()
        ended.set()

    thread = threading.Thread(target=hang)
    thread.start()
    signals.interrupt()
    signals.kill_worker()
    assert not ended.wait(0.05)
    signals.end()
    thread.join(10)
    assert ended.is_set()


def saver(above: str) -> dict[str, Any]:
    return {"class_type": "SaveImage", "inputs": {"images": [above, 0], "filename_prefix": "x"}}


NOISE: dict[str, Any] = {"class_type": "EmptyImage", "inputs": {"color": 1}}


def test_a_saver_runs_as_soon_as_it_can() -> None:
    graph: Graph = {"a": NOISE, "b": NOISE, "1": saver("a"), "2": saver("b"), "unused": NOISE}
    assert list(run_order(graph, ["1", "2"], set())) == ["a", "1", "b", "2"]
    assert list(run_order(graph, ["2"], set())) == ["b", "2"]
    assert list(run_order(graph, ["1", "2"], {"a"})) == ["1", "b", "2"]
    assert list(run_order(graph, ["1"], {"a", "1"})) == ["1"]


def test_a_signature_tells_what_a_node_does_not_what_it_is_called() -> None:
    other = {**NOISE, "inputs": {"color": 2}}
    graph: Graph = {"a": NOISE, "b": NOISE, "c": other, "1": saver("a"), "2": saver("b")}
    graph["3"] = saver("c")
    signed = signatures(graph, ["1", "2", "3"])
    assert signed["1"] == signed["2"] != signed["3"]


def test_a_cycle_and_a_link_to_nowhere_are_refused() -> None:
    loop: Graph = {
        "1": {"class_type": "Hang", "inputs": {"images": ["2", 0]}},
        "2": {"class_type": "Hang", "inputs": {"images": ["1", 0]}},
        "3": saver("1"),
    }
    found = validate(loop, VERSIONS["0.33.0"])
    assert found.outputs == []
    kinds = {error["type"] for node in found.node_errors.values() for error in node["errors"]}
    assert kinds == {"dependency_cycle"}
    nowhere = validate({"3": saver("gone")}, VERSIONS["0.33.0"])
    [error] = nowhere.node_errors["3"]["errors"]
    assert error["type"] == "exception_during_validation"


@pytest.mark.parametrize("version", list(VERSIONS))
def test_a_node_without_a_type_is_refused(version: str) -> None:
    found = validate({"7": {"inputs": {}}}, VERSIONS[version])
    assert found.error is not None
    assert found.error["details"] == "Node ID '#7'"


def test_values_are_converted_and_limits_kept() -> None:
    graph: Graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": "64", "height": 64.0}},
        "2": saver("1"),
    }
    graph["1"]["inputs"] |= {"batch_size": True, "color": 0}
    assert validate(graph, VERSIONS["0.33.0"]).outputs == ["2"]
    assert graph["1"]["inputs"] == {"width": 64, "height": 64, "batch_size": 1, "color": 0}


def test_every_known_node_can_run() -> None:
    assert NODES.keys() == NODE_TYPES.keys()
