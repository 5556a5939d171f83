"""The example workflows: what ComfyUI's frontend opens is what an application submits."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from comfy_node import NODE_CLASS_MAPPINGS
from comfy_node.contract import expected_frames

FOLDER = Path(__file__).parents[3] / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
#: Nodes for the eye: they are not submitted.
NOTES = {"MarkdownNote", "Note"}


def read(path: str) -> Any:
    return json.loads((FOLDER / path).read_text(encoding="utf-8"))


def submitted(workflow: dict[str, Any]) -> dict[str, Any]:
    """The graph in API format, made of nodes, links and widgets as the frontend makes it."""
    sources = {number: [str(node), slot] for number, node, slot, *_ in workflow["links"]}
    graph = {}
    for node in workflow["nodes"]:
        if node["type"] in NOTES:
            continue
        widgets = [i["name"] for i in node["inputs"] if "widget" in i]
        inputs = dict(zip(widgets, node["widgets_values"], strict=True))
        inputs |= {i["name"]: sources[i["link"]] for i in node["inputs"] if i["link"] is not None}
        graph[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return graph


def test_each_workflow_is_there_in_both_formats() -> None:
    assert len(NAMES) >= 2
    assert sorted(path.stem for path in (FOLDER / "api").glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_formats_say_the_same(name: str) -> None:
    api = read(f"api/{name}.json")

    assert submitted(read(f"{name}.json")) == {
        number: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for number, node in api.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_links_and_slots_know_each_other(name: str) -> None:
    workflow = read(f"{name}.json")
    nodes = {node["id"]: node for node in workflow["nodes"]}

    assert uuid.UUID(workflow["id"])
    assert workflow["version"] == 0.4
    assert workflow["last_node_id"] == max(nodes)
    assert workflow["last_link_id"] == max(link[0] for link in workflow["links"])
    seen = set()
    for number, source, out, target, into, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][out]["links"]
        assert nodes[target]["inputs"][into]["link"] == number
        assert kind in (
            nodes[source]["outputs"][out]["type"],
            nodes[target]["inputs"][into]["type"],
        )
        seen.add(number)
    ends = [i["link"] for node in nodes.values() for i in node["inputs"]]
    assert {end for end in ends if end is not None} == seen


@pytest.mark.parametrize("name", NAMES)
def test_our_nodes_get_exactly_the_inputs_that_they_have(name: str) -> None:
    nodes = read(f"api/{name}.json").values()
    ours = [node for node in nodes if node["class_type"] in NODE_CLASS_MAPPINGS]

    assert ours
    for node in ours:
        declared = NODE_CLASS_MAPPINGS[node["class_type"]].INPUT_TYPES()["required"]
        assert node["inputs"].keys() == declared.keys()


def test_they_need_no_model_and_tag_no_row_that_exists() -> None:
    """A job id that is a number would be somebody's row: whoever tries an example has none."""
    for name in NAMES:
        for node in read(f"api/{name}.json").values():
            assert not {"ckpt_name", "unet_name", "vae_name", "lora_name"} & node["inputs"].keys()
            assert node["inputs"].get("job_id", "example") == "example"


def test_the_promise_is_what_the_batch_holds() -> None:
    graph = read("api/counted_video.json")

    assert expected_frames(graph) == graph["1"]["inputs"]["batch_size"] == 24
