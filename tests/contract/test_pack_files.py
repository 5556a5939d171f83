"""The node pack's traces on disk: manifests, tags in files, and what its nodes do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from comfy_node.contract import (
    DIGESTS,
    EXPECT_NODE,
    MANIFEST_FORMAT,
    PACK_VERSION,
    PREFIX_NODE,
    TAG_NODE,
)
from comfy_node.shapes import workflow_shape, workflow_sizes
from tests.contract.media import container_tags
from tests.contract.packed import (
    listed_files,
    snapshot,
    wait_for_digests,
    wait_for_manifest,
)
from tests.contract.talk import (
    Graph,
    Server,
    audio_graph,
    failing_graph,
    fresh_prefix,
    images_graph,
    long_graph,
    video_graph,
)

pytestmark = pytest.mark.contract


def tags_of(path: Path) -> dict[str, Any]:
    """The pack's two tags of a file, decoded."""
    tags: dict[Any, Any]
    if path.suffix == ".png":
        with Image.open(path) as picture:
            tags = dict(picture.info)
    else:
        tags = dict(container_tags(path))
    return {key: json.loads(tags[key]) for key in ("job_id", "prompt_id") if key in tags}


def test_the_manifest_of_a_success(pack_server: Server) -> None:
    graph = images_graph(fresh_prefix("success"), batch=2)
    entry = pack_server.finish(graph, extra_data={"job_id": 42})
    prompt_id = entry["prompt"][1]
    told = wait_for_manifest(pack_server, prompt_id)
    outputs = told.pop("outputs")
    times = [told.pop(key) for key in ("created_at", "started_at", "ended_at")]
    assert times == sorted(times)
    seconds = {key: node.pop("seconds") for key, node in told["nodes"].items()}
    assert all(0 <= spent <= times[2] - times[1] + 0.1 for spent in seconds.values())
    assert told == {
        "format": MANIFEST_FORMAT,
        "pack": PACK_VERSION,
        "boot_id": snapshot(pack_server)["boot_id"],
        "prompt_id": prompt_id,
        "job_id": "42",
        "job_id_from": "client",
        "first_prompt_id": None,
        "followed_by": [],
        "kind": "success",
        "error": None,
        "nodes": {"1": {"type": "EmptyImage"}, "2": {"type": "SaveImage"}},
        "cached_nodes": [],
        "output_nodes": ["2"],
        "graph_nodes": 2,
        "workflow": workflow_shape(images_graph("")),
        "sizes": workflow_sizes(images_graph("")),
        "expected_frames": None,
    }
    paths = listed_files(pack_server, entry)
    assert [output["filename"] for output in outputs] == [path.name for path in paths]
    for output, path in zip(outputs, paths, strict=True):
        assert (output["node_id"], output["kind"], output["type"]) == ("2", "images", "output")
        assert (output["size_bytes"], output["mtime_ns"]) == (
            path.stat().st_size,
            path.stat().st_mtime_ns,
        )


def test_digests_follow(pack_server: Server) -> None:
    entry = pack_server.finish(images_graph(fresh_prefix("digest"), batch=2))
    outputs = wait_for_digests(pack_server, entry["prompt"][1])
    for output, path in zip(outputs, listed_files(pack_server, entry), strict=True):
        algorithm, digest = output["digest"].split(":")
        assert algorithm in DIGESTS
        assert bytes.fromhex(digest)
        if algorithm == "sha256":
            assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_manifest_of_a_cached_success(pack_server: Server) -> None:
    graph = images_graph(fresh_prefix("cached"))
    first, second = (pack_server.finish(graph)["prompt"][1] for _ in range(2))
    told = wait_for_manifest(pack_server, second)
    assert (told["kind"], sorted(told["cached_nodes"]), told["nodes"]) == (
        "success",
        ["1", "2"],
        {},
    )
    earlier = wait_for_manifest(pack_server, first)["outputs"]
    assert [output["filename"] for output in told["outputs"]] == [
        output["filename"] for output in earlier
    ]


def test_the_manifest_of_an_error(pack_server: Server) -> None:
    entry = pack_server.finish(failing_graph(), extra_data={"job_id": 42})
    told = wait_for_manifest(pack_server, entry["prompt"][1])
    error = entry["status"]["messages"][-1][1]
    assert (told["kind"], told["job_id"], told["outputs"]) == ("error", "42", [])
    assert told["error"]["node_id"] == "2"
    assert told["error"]["node_type"] == "SaveImage"
    assert told["error"]["exception_type"] == error["exception_type"]
    assert error["exception_message"].startswith(told["error"]["message"])
    assert told["nodes"].keys() == {"1", "2"}


def test_the_manifest_of_an_interrupted_prompt(pack_server: Server) -> None:
    prompt_id = pack_server.submit(long_graph(pack_server))
    pack_server.wait_until_running(prompt_id)
    pack_server.post("/interrupt", {"prompt_id": prompt_id})
    pack_server.wait_for_end(prompt_id)
    told = wait_for_manifest(pack_server, prompt_id)
    assert (told["kind"], told["error"], told["job_id"]) == ("interrupted", None, None)
    assert told["started_at"] <= told["ended_at"]


def test_the_manifest_of_a_removed_prompt(pack_server: Server) -> None:
    blocker = pack_server.submit(long_graph(pack_server))
    pack_server.wait_until_running(blocker)
    deleted, wiped = (
        pack_server.submit(images_graph(fresh_prefix("removed")), extra_data={"job_id": n})
        for n in (1, 2)
    )
    pack_server.post("/queue", {"delete": [deleted]})
    pack_server.post("/queue", {"clear": True})
    for prompt_id, job_id in ((deleted, "1"), (wiped, "2")):
        told = wait_for_manifest(pack_server, prompt_id)
        assert (told["kind"], told["job_id"], told["started_at"]) == ("removed", job_id, None)
        assert (told["outputs"], told["nodes"], told["output_nodes"]) == ([], {}, ["2"])
        assert told["created_at"] <= told["ended_at"]
    assert snapshot(pack_server)["running"][0]["prompt_id"] == blocker


@pytest.mark.parametrize("make", [images_graph, video_graph, audio_graph])
@pytest.mark.parametrize("job_id", [42, None])
def test_every_file_says_whose_it_is(pack_server: Server, make: Any, job_id: int | None) -> None:
    extra_data = {} if job_id is None else {"job_id": job_id}
    entry = pack_server.finish(make(fresh_prefix("tags")), extra_data=extra_data)
    tag = {} if job_id is None else {"job_id": str(job_id)}
    for path in listed_files(pack_server, entry):
        assert tags_of(path) == tag | {"prompt_id": entry["prompt"][1]}


def through(node: dict[str, Any], graph: Graph) -> Graph:
    """The graph of `images_graph` with a node between picture and saver."""
    graph["5"] = {**node, "inputs": {"value": ["1", 0], **node["inputs"]}}
    graph["2"]["inputs"]["images"] = ["5", 0]
    return graph


def test_the_tag_node_names_the_job(pack_server: Server) -> None:
    graph = through(
        {"class_type": TAG_NODE, "inputs": {"job_id": "42"}}, images_graph(fresh_prefix("node"))
    )
    entry = pack_server.finish(graph)
    prompt_id = entry["prompt"][1]
    assert wait_for_manifest(pack_server, prompt_id)["job_id"] == "42"
    assert entry["prompt"][3]["reconciler"]["job_id_from"] == "node"
    for path in listed_files(pack_server, entry):
        assert tags_of(path) == {"job_id": "42", "prompt_id": prompt_id}


def test_with_another_job_the_saver_runs_again_and_what_stands_above_does_not(
    pack_server: Server,
) -> None:
    graph = images_graph(fresh_prefix("again"))
    for job_id in ("1", "2"):
        node = {"class_type": TAG_NODE, "inputs": {"job_id": job_id}}
        entry = pack_server.finish(through(node, graph))
    assert wait_for_manifest(pack_server, entry["prompt"][1])["cached_nodes"] == ["1"]
    [*_, path] = listed_files(pack_server, entry)
    assert tags_of(path)["job_id"] == "2"


def test_the_prefix_node_names_files_after_the_job(pack_server: Server) -> None:
    graph = images_graph("unused", batch=1)
    inputs = {"job_id": "", "name": "cat", "subfolder": "contract"}
    graph["5"] = {"class_type": PREFIX_NODE, "inputs": inputs}
    graph["2"]["inputs"]["filename_prefix"] = ["5", 0]
    names = []
    for job_id in (graph["1"]["inputs"]["color"], graph["1"]["inputs"]["color"] + 1):
        entry = pack_server.finish(graph, extra_data={"job_id": job_id})
        [path] = listed_files(pack_server, entry)
        assert path.name.startswith(f"{job_id}_cat_")
        names.append(path.name)
    assert len(set(names)) == 2, "the cache must not hand the first job's file to the second"


def test_the_promise_of_frames_is_in_the_manifest(pack_server: Server) -> None:
    node = {"class_type": EXPECT_NODE, "inputs": {"frames": 2}}
    entry = pack_server.finish(through(node, images_graph(fresh_prefix("promise"))))
    assert wait_for_manifest(pack_server, entry["prompt"][1])["expected_frames"] == 2


def test_the_packs_nodes_describe_themselves(pack_server: Server) -> None:
    for name in (TAG_NODE, PREFIX_NODE, EXPECT_NODE):
        told = pack_server.json(f"/object_info/{name}")[name]
        assert told["output_node"] is False
        assert told["input_order"]["required"]
