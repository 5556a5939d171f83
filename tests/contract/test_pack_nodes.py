"""The node pack's own nodes, and its example workflows, in a running ComfyUI."""

from __future__ import annotations

import json
import random
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from comfy_node.contract import EXPECT_NODE, PREFIX_NODE, TAG_NODE
from tests.contract.packed import wait_for_manifest
from tests.contract.talk import Graph, Server, fresh_prefix, images_graph

pytestmark = pytest.mark.contract

EXAMPLES = Path(__file__).parents[2] / "example_workflows"
NAMES = sorted(path.stem for path in (EXAMPLES / "api").glob("*.json"))


def example(name: str, job_id: str) -> Graph:
    """The workflow as an application sends it, with a job id and a colour of its own."""
    graph: Graph = json.loads((EXAMPLES / "api" / f"{name}.json").read_text(encoding="utf-8"))
    for node in graph.values():
        own = {"job_id": job_id, "color": random.randrange(0xFFFFFF)}
        node["inputs"] |= {key: value for key, value in own.items() if key in node["inputs"]}
    return graph


def fresh_id() -> str:
    return f"job-{uuid.uuid4().hex[:12]}"


def files(entry: dict[str, Any]) -> list[str]:
    return [
        f"{file['subfolder']}/{file['filename']}"
        for output in entry["outputs"].values()
        for file in output.get("images", ())
    ]


def cached(entry: dict[str, Any]) -> list[str]:
    (told,) = [data for name, data in entry["status"]["messages"] if name == "execution_cached"]
    return sorted(told["nodes"])


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_and_keeps_its_promise(pack_server: Server, name: str) -> None:
    job_id = fresh_id()
    graph = example(name, job_id)

    prompt_id = pack_server.submit(graph)
    entry = pack_server.wait_for_end(prompt_id)

    assert entry["status"]["status_str"] == "success"
    manifest = wait_for_manifest(pack_server, prompt_id)
    assert manifest["job_id"] == job_id
    promised = [n["inputs"]["frames"] for n in graph.values() if n["class_type"] == EXPECT_NODE]
    assert manifest["expected_frames"] == (promised[0] if promised else None)
    (file,) = files(entry)
    assert pack_server.output_dir is None or (pack_server.output_dir / file).is_file()


def test_another_job_id_leaves_what_stands_above_the_tag_in_the_cache(pack_server: Server) -> None:
    graph = images_graph(fresh_prefix("tag"))
    graph["3"] = {"class_type": TAG_NODE, "inputs": {"value": ["1", 0], "job_id": fresh_id()}}
    graph["2"]["inputs"]["images"] = ["3", 0]

    first = pack_server.finish(graph)
    graph["3"]["inputs"]["job_id"] = fresh_id()
    second = pack_server.finish(graph)
    again = pack_server.finish(graph)

    assert (cached(first), cached(second), cached(again)) == ([], ["1"], ["1", "2", "3"])
    assert not set(files(first)) & set(files(second))
    assert files(again) == files(second)


def prefixed(job_id: str = "") -> Graph:
    """Pictures whose names come from the prefix node."""
    graph = images_graph("")
    inputs = {"job_id": job_id, "name": "shot", "subfolder": "contract/%Y"}
    graph["3"] = {"class_type": PREFIX_NODE, "inputs": inputs}
    graph["2"]["inputs"]["filename_prefix"] = ["3", 0]
    return graph


def test_one_graph_of_two_jobs_makes_files_of_each_ones_own(pack_server: Server) -> None:
    graph, jobs = prefixed(), [fresh_id(), fresh_id()]

    for job_id in jobs:
        entry = pack_server.finish(graph, extra_data={"job_id": job_id})
        names = [file.split("/")[-1] for file in files(entry)]
        assert names == [f"{job_id}_shot_00001_.png", f"{job_id}_shot_00002_.png"]


def test_a_prefix_that_names_its_job_is_answered_from_the_cache(pack_server: Server) -> None:
    graph = prefixed(fresh_id())

    first, again = pack_server.finish(graph), pack_server.finish(graph)

    assert (cached(again), files(again)) == (["1", "2", "3"], files(first))


def test_a_job_id_that_points_elsewhere_stays_in_the_output_directory(pack_server: Server) -> None:
    unique = uuid.uuid4().hex

    entry = pack_server.finish(prefixed(f"../../{unique}/%width%"))

    assert entry["status"]["status_str"] == "success"
    for number, file in enumerate(files(entry), start=1):
        assert re.fullmatch(rf"contract/2\d{{3}}/{unique}~\w{{12}}_shot_0000{number}_\.png", file)
