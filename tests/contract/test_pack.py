"""The node pack inside a running ComfyUI: what its snapshot and its broadcast tell."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from comfy_node.contract import (
    EVENT_END,
    EVENT_PROGRESS,
    EVENT_START,
    MAX_ENDED,
    NOTES,
    PACK_VERSION,
    PROGRESS_PER_S,
    SNAPSHOT_FORMAT,
    SNAPSHOT_PATH,
)
from tests.contract.packed import ends_since, manifest_path, snapshot, wait_for_manifest
from tests.contract.talk import (
    Listener,
    Server,
    failing_graph,
    follow_up_graph,
    fresh_prefix,
    images_graph,
    long_graph,
    wait_until,
)

pytestmark = pytest.mark.contract


def block(server: Server, **body: Any) -> str:
    """Keep the worker busy, so that what follows stays pending."""
    prompt_id = server.submit(long_graph(server), **body)
    server.wait_until_running(prompt_id)
    return prompt_id


def interrupt(server: Server, prompt_id: str) -> None:
    server.post("/interrupt", {"prompt_id": prompt_id})
    server.wait_for_end(prompt_id)


def test_a_snapshot_at_rest(pack_server: Server) -> None:
    told = snapshot(pack_server)
    assert told.keys() == {
        "format",
        "pack",
        "boot_id",
        "now",
        "worker_alive",
        "running",
        "pending",
        "ended",
        "cursor",
        "complete",
    }
    assert (told["format"], told["pack"]) == (SNAPSHOT_FORMAT, PACK_VERSION)
    assert (told["running"], told["pending"], told["worker_alive"]) == ([], [], True)
    assert uuid.UUID(told["boot_id"])
    assert abs(told["now"] - time.time()) < 60
    assert snapshot(pack_server)["boot_id"] == told["boot_id"]
    assert pack_server.json(f"/api{SNAPSHOT_PATH}")["boot_id"] == told["boot_id"]


def test_the_running_prompt_with_its_node_and_step(pack_server: Server) -> None:
    graph = long_graph(pack_server)
    before = time.time()
    prompt_id = pack_server.submit(graph, client_id="somebody", extra_data={"job_id": 42})

    def moving() -> dict[str, Any] | None:
        running = snapshot(pack_server)["running"]
        return running[0] if running and running[0].get("value") else None

    told = wait_until(moving, "the first step")
    assert told is not None
    number, item_id, its_graph, _, outputs = pack_server.queue()[0][0]
    assert told["prompt_id"] == item_id == prompt_id
    assert (told["number"], told["client_id"]) == (number, "somebody")
    assert (told["job_id"], told["job_id_from"]) == ("42", "client")
    assert (told["output_nodes"], told["graph_nodes"]) == (len(outputs), len(its_graph))
    assert its_graph[told["node_id"]]["class_type"] == told["node_type"]
    assert 0 < told["value"] <= told["max"]
    assert told["nodes_done"] < len(graph)
    assert before - 1 < told["created_at"] <= told["since"] <= told["sign_at"]
    assert told["sign_at"] <= snapshot(pack_server)["now"]
    later = snapshot(pack_server)["running"][0]
    assert later["since"] == told["since"]
    interrupt(pack_server, prompt_id)


def test_pending_prompts_in_the_order_in_which_they_will_run(pack_server: Server) -> None:
    block(pack_server)
    numbers = [5.0, 3.0, 8.0, -2.0, 4.0]
    ids = {
        n: pack_server.submit(images_graph(fresh_prefix("order")), number=n, client_id="me")
        for n in numbers
    }
    front = pack_server.submit(images_graph(fresh_prefix("order")), front=True)
    told = snapshot(pack_server)["pending"]
    heap = pack_server.queue()[1]
    assert [each["prompt_id"] for each in told] == [item[1] for item in sorted(heap)]
    assert {each["prompt_id"] for each in told} == {front, *ids.values()}
    [one] = [each for each in told if each["prompt_id"] == ids[8.0]]
    assert one.keys() == {
        "prompt_id",
        "number",
        "client_id",
        "output_nodes",
        "graph_nodes",
        "created_at",
        "workflow",
        "sizes",
    }, "what is not known is left out"


def test_ends_in_their_order_each_with_its_kind(pack_server: Server) -> None:
    before = snapshot(pack_server)
    success = pack_server.finish(images_graph(fresh_prefix("end")))["prompt"][1]
    error = pack_server.finish(failing_graph())["prompt"][1]
    interrupted = block(pack_server, extra_data={"job_id": "7"})
    deleted, *wiped = [pack_server.submit(images_graph(fresh_prefix("end"))) for _ in range(3)]
    pack_server.post("/queue", {"delete": [deleted, "unknown"]})
    pack_server.post("/queue", {"clear": True})
    interrupt(pack_server, interrupted)
    assert list(ends_since(pack_server, before).items()) == [
        (success, "success"),
        (error, "error"),
        (deleted, "removed"),
        *((each, "removed") for each in wiped),
        (interrupted, "interrupted"),
    ]
    told = snapshot(pack_server, boot=before["boot_id"], since=before["cursor"])
    assert told["complete"] is True
    assert told["ended"][-1]["job_id"] == "7"
    assert [end["seq"] for end in told["ended"]] == list(
        range(before["cursor"] + 1, told["cursor"] + 1)
    )
    nothing_new = snapshot(pack_server, boot=told["boot_id"], since=told["cursor"])
    assert (nothing_new["ended"], nothing_new["complete"]) == ([], True)
    other_life = snapshot(pack_server, boot="another", since=told["cursor"])
    assert other_life["ended"][-1] == told["ended"][-1]


def test_ends_that_are_forgotten_make_the_answer_incomplete(pack_server: Server) -> None:
    block(pack_server)
    before = snapshot(pack_server)
    for _ in range(MAX_ENDED + 1):
        pack_server.submit(images_graph(fresh_prefix("many")))
    pack_server.post("/queue", {"clear": True})
    told = snapshot(pack_server, boot=before["boot_id"], since=before["cursor"])
    assert (len(told["ended"]), told["complete"]) == (MAX_ENDED, False)
    assert told["cursor"] == before["cursor"] + MAX_ENDED + 1


def told_of(listener: Listener, prompt_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The pack's events about a prompt."""
    return [event for event in list(listener.pack_events) if event[1]["prompt_id"] == prompt_id]


def test_a_stranger_hears_start_progress_and_end_of_anybodys_prompt(pack_server: Server) -> None:
    with pack_server.listen() as stranger:
        prompt_id = pack_server.submit(
            long_graph(pack_server), client_id="somebody", extra_data={"job_id": 42}
        )
        wait_until(lambda: len(told_of(stranger, prompt_id)) >= 5, "a start and four steps")
        interrupt(pack_server, prompt_id)
        end = stranger.wait_for(EVENT_END, prompt_id=prompt_id)[1]
        (first, start), *steps, (last, _) = told_of(stranger, prompt_id)
    assert (first, last) == (EVENT_START, EVENT_END)
    assert start == {"prompt_id": prompt_id, "job_id": "42", "at": start["at"]}
    assert end == {"prompt_id": prompt_id, "job_id": "42", "kind": "interrupted", "at": end["at"]}
    assert {name for name, _ in steps} == {EVENT_PROGRESS}
    fields = {"prompt_id", "node_id", "node_type", "value", "max", "nodes_done", "at"}
    assert all(data.keys() == fields for _, data in steps)
    took_s = end["at"] - start["at"]
    assert len(steps) <= PROGRESS_PER_S * took_s + 2, "one at once, one that was held back"


def test_an_end_is_told_when_its_manifest_is_there(pack_server: Server) -> None:
    paths = []
    with pack_server.listen() as stranger:
        for kind, graph in [
            ("success", images_graph(fresh_prefix("told"))),
            ("error", failing_graph()),
        ]:
            prompt_id = pack_server.submit(graph)
            assert stranger.wait_for(EVENT_END, prompt_id=prompt_id)[1]["kind"] == kind
            paths.append(manifest_path(pack_server, prompt_id))
            assert paths[-1].is_file()
        block(pack_server)
        removed = pack_server.submit(images_graph(fresh_prefix("told")))
        pack_server.post("/queue", {"delete": [removed]})
        assert stranger.wait_for(EVENT_END, prompt_id=removed)[1]["kind"] == "removed"
        assert manifest_path(pack_server, removed).is_file()


def test_follow_ups_keep_the_job_and_name_the_first_prompt(pack_server: Server) -> None:
    if "QueueFollowUp" not in pack_server.nodes:
        pytest.skip("this ComfyUI lacks the lab's nodes: link tests/contract/lab_nodes into it")
    before = snapshot(pack_server)
    graph = follow_up_graph(fresh_prefix("follow"), 2)
    first = pack_server.submit(graph, extra_data={"job_id": 42})
    wait_until(lambda: len(ends_since(pack_server, before)) == 3, "three ends")
    told = snapshot(pack_server, boot=before["boot_id"], since=before["cursor"])["ended"]
    assert [(end["job_id"], end["kind"]) for end in told] == [("42", "success")] * 3
    assert told[0]["prompt_id"] == first
    ids = [end["prompt_id"] for end in told]
    manifests = [wait_for_manifest(pack_server, prompt_id) for prompt_id in ids]
    assert [each["first_prompt_id"] for each in manifests] == [None, first, first]
    assert [each["followed_by"] for each in manifests] == [[ids[1]], [ids[2]], []]
    for end in told[1:]:
        entry = pack_server.wait_for_end(end["prompt_id"])
        extra_data = entry["prompt"][3]
        assert extra_data[NOTES]["first_prompt_id"] == first
        assert extra_data["extra_pnginfo"] == {"job_id": "42", "prompt_id": end["prompt_id"]}
