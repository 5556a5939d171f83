"""The node pack in the simulator: one for each life, lost with it, and absent if unwanted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from comfy_node.contract import (
    EXPECT_NODE,
    MANIFEST_DIR,
    PREFIX_NODE,
    SNAPSHOT_PATH,
    TAG_NODE,
    manifest_name,
)
from reconciler.simulator import Ending, Outcome, Saver, Simulator, render_graph
from reconciler.simulator.graph import Graph, signatures
from tests.contract.media import container_tags, decoded_frames
from tests.contract.talk import DEADLINE_S, Server, images_graph, wait_until


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output", pack=True) as running:
        yield running


def snapshot(simulator: Simulator) -> dict[str, Any]:
    told = requests.get(simulator.url + SNAPSHOT_PATH, timeout=DEADLINE_S)
    assert told.status_code == 200
    snapshot: dict[str, Any] = told.json()
    return snapshot


def manifests(simulator: Simulator) -> set[str]:
    """Names of the manifests, half-written ones included."""
    folder = simulator.output_dir / MANIFEST_DIR
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def answers(simulator: Simulator) -> bool:
    try:
        return requests.get(f"{simulator.url}/prompt", timeout=DEADLINE_S).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_crash_writes_nothing_and_the_next_life_knows_nothing(
    simulator: Simulator, server: Server
) -> None:
    done = simulator.submit(render_graph(frames=1))
    server.wait_for_end(done)
    running = simulator.submit(render_graph(Outcome.HANG, frames=1))
    server.wait_until_running(running)
    simulator.submit(render_graph())
    before = snapshot(simulator)
    assert [prompt["prompt_id"] for prompt in before["running"]] == [running]
    simulator.crash(restart_after_s=0.05)
    wait_until(lambda: answers(simulator), "the next life")
    after = snapshot(simulator)
    assert after["boot_id"] != before["boot_id"]
    assert (after["running"], after["pending"], after["ended"]) == ([], [], [])
    assert after["cursor"] == 0
    assert manifests(simulator) == {manifest_name(done)}


def test_a_stop_writes_nothing_either_and_ends_every_thread(tmp_path: Path) -> None:
    def ours() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if each.name.startswith("reconciler-")}

    others = ours()
    with Simulator(tmp_path, pack=True) as simulator:
        running = simulator.submit(render_graph(Outcome.ENDLESS))
        Server(simulator.url, "", frozenset()).wait_until_running(running)
        simulator.submit(render_graph())
    assert manifests(simulator) == set()
    assert ours() <= others


@pytest.mark.parametrize("by", ["script", "node"])
def test_a_process_that_dies_with_the_file_just_closed(
    simulator: Simulator, server: Server, by: str
) -> None:
    if by == "script":
        graph = render_graph(Outcome.CRASH_SAVED, frames=6, restart_after_s=60.0)
    else:
        graph = images_graph("crash", batch=2)
        graph["2"]["class_type"] = "CrashAfterSave"
    entry = simulator.wait_until_ended(simulator.submit(graph))
    wait_until(lambda: not answers(simulator), "the end of the process")
    assert entry.ending is Ending.LOST
    assert entry.main_file is not None
    assert decoded_frames(Path(entry.main_file)) == (6 if by == "script" else 1)
    assert manifests(simulator) == set()


def test_a_dead_worker_is_seen_in_its_own_server_alone(
    simulator: Simulator, server: Server, tmp_path: Path
) -> None:
    with Simulator(tmp_path / "other", pack=True) as other:
        wait_until(lambda: snapshot(other)["worker_alive"], "the other worker")
        running = simulator.submit(render_graph(Outcome.DEAD_WORKER, frames=2))
        wait_until(lambda: snapshot(simulator)["worker_alive"] is False, "the dead worker")
        assert [each["prompt_id"] for each in snapshot(simulator)["running"]] == [running]
        assert snapshot(other)["worker_alive"] is True


@pytest.mark.parametrize("class_type", [TAG_NODE, PREFIX_NODE, EXPECT_NODE])
def test_without_the_pack_nobody_knows_it(tmp_path: Path, class_type: str) -> None:
    with Simulator(tmp_path, pack=False) as simulator:
        server = Server(simulator.url, "", frozenset())
        assert server.get(SNAPSHOT_PATH).status_code == 404
        assert server.json(f"/object_info/{class_type}") == {}
        graph = images_graph("x")
        graph["5"] = {"class_type": class_type, "inputs": {}}
        answer = server.post("/prompt", {"prompt": graph})
        assert answer.status_code == 400
        assert class_type in answer.json()["error"]["message"]
        simulator.wait_until_ended(simulator.submit(render_graph(frames=1)))
    assert manifests(simulator) == set()


def test_a_prompt_handler_that_raises_is_passed_over(simulator: Simulator) -> None:
    def broken(body: Any) -> Any:
        raise RuntimeError("another pack's fault")

    simulator._life().server.add_on_prompt_handler(broken)
    entry = simulator.wait_until_ended(simulator.submit(render_graph(frames=1), job_id=42))
    assert entry.main_file is not None
    assert container_tags(Path(entry.main_file))["job_id"] == '"42"'


@pytest.mark.parametrize("saver", list(Saver))
def test_with_metadata_disabled_only_vhs_writes_tags(tmp_path: Path, saver: Saver) -> None:
    with Simulator(tmp_path, metadata=False) as simulator:
        graph = render_graph(saver=saver, frames=2)
        entry = simulator.wait_until_ended(simulator.submit(graph, job_id=42))
        stats = requests.get(f"{simulator.url}/system_stats", timeout=DEADLINE_S).json()
    assert "--disable-metadata" in stats["system"]["argv"]
    assert entry.main_file is not None
    if saver is Saver.SAVE_IMAGE:
        with Image.open(entry.main_file) as picture:
            assert picture.info == {}
    else:
        tags = container_tags(Path(entry.main_file))
        assert ("job_id" in tags) == (saver is Saver.VHS_VIDEO_COMBINE)
        assert "prompt" not in tags or json.loads(tags["prompt"]) == graph


def prefix_graph(job_id: object) -> Graph:
    inputs = {"job_id": job_id, "name": "a", "subfolder": ""}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"color": 1}},
        "5": {"class_type": PREFIX_NODE, "inputs": inputs},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": ["5", 0]},
        },
    }


def test_the_cache_asks_a_node_whether_it_changed() -> None:
    known, unknown = prefix_graph("42"), prefix_graph("")
    assert signatures(known, ["2"]) == signatures(known, ["2"])
    assert signatures(unknown, ["2"]) != signatures(unknown, ["2"]), "whose prefix is not known yet"
    assert signatures(unknown, ["1"]) == signatures(unknown, ["1"])
    signed = signatures(unknown, ["2", "5"])
    assert len(set(signed.values())) == 2


def test_nodes_that_are_told_their_id_are_never_alike() -> None:
    vhs: dict[str, Any] = {"class_type": "VHS_VideoCombine", "inputs": {"frame_rate": 8}}
    signed = signatures({"1": vhs, "2": vhs}, ["1", "2"])
    assert signed["1"] != signed["2"]
