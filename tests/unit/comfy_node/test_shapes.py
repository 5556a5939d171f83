"""The shape of a graph: the same for the same work, whatever is typed in; never an error."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from comfy_node.shapes import MAX_NODES, workflow_shape, workflow_sizes
from tests.unit.core.strategies import examples

GRAPH: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
    "3": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 512, "height": 768, "batch_size": 24},
    },
    "4": {
        "class_type": "KSampler",
        "inputs": {"steps": 20, "model": ["1", 0], "positive": ["2", 0], "latent_image": ["3", 0]},
    },
    "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["1", "2", "inputs", "class_type", "steps", "x"]), inner)
    ),
    max_leaves=20,
)


def changed(path: list[str], value: Any) -> dict[str, Any]:
    graph = copy.deepcopy(GRAPH)
    *way, last = path
    node: Any = graph
    for key in way:
        node = node[key]
    node[last] = value
    return graph


def test_what_is_typed_in_makes_no_difference() -> None:
    shape = workflow_shape(GRAPH)
    assert shape is not None
    assert len(shape) == 16
    for graph in (
        changed(["2", "inputs", "text"], "a dog"),
        changed(["4", "inputs", "seed"], 7),
        changed(["3", "inputs", "width"], 1024),
    ):
        assert workflow_shape(graph) == shape


def test_ids_and_order_make_no_difference() -> None:
    names = {"1": "ten", "2": "11:3", "3": "0", "4": "x", "5": "y"}
    renamed = copy.deepcopy(GRAPH)
    for node in renamed.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                node["inputs"][name] = [names[value[0]], value[1]]
    shuffled = {names[node_id]: renamed[node_id] for node_id in reversed(renamed)}
    assert workflow_shape(shuffled) == workflow_shape(GRAPH)


def test_types_and_wiring_make_the_shape() -> None:
    others = {
        workflow_shape(graph)
        for graph in (
            GRAPH,
            changed(["4", "class_type"], "SamplerCustom"),
            changed(["5", "inputs", "vae"], ["1", 1]),
            changed(["2", "inputs", "clip"], ["4", 0]),
            {**GRAPH, "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0]}}},
            {**GRAPH, "6": {"class_type": "VAEDecode", "inputs": {}}},
        )
    }
    assert len(others) == 6


def test_the_shape_is_stable_between_versions() -> None:
    """Another digest would forget all that was learned."""
    assert workflow_shape(GRAPH) == "015f1bc5342baeaa"


def test_sizes() -> None:
    assert workflow_sizes(GRAPH) == {"width": 512, "height": 768, "frames": 24, "steps": 20}
    two = {**GRAPH, "6": {"class_type": "KSampler", "inputs": {"steps": 10, "width": True}}}
    assert workflow_sizes(two)["steps"] == 30
    assert workflow_sizes({"1": {"class_type": "X", "inputs": {"steps": ["2", 0]}}}) == {}
    assert workflow_sizes({"1": {"inputs": {"steps": 10**30, "width": -5, "length": 10**9}}}) == {}


def test_what_is_no_graph_has_no_shape() -> None:
    assert workflow_shape(None) is None
    assert workflow_shape({}) is None
    assert workflow_shape({str(n): {} for n in range(MAX_NODES + 1)}) is None


def test_a_cycle_and_a_long_chain_have_a_shape() -> None:
    cycle = {"1": {"inputs": {"a": ["2", 0]}}, "2": {"inputs": {"a": ["1", 0]}}}
    assert workflow_shape(cycle)
    chain = {str(n): {"class_type": "X", "inputs": {"a": [str(n + 1), 0]}} for n in range(4000)}
    assert workflow_shape(chain)


@examples(200)
@given(json_values)
def test_nonsense_is_no_error(graph: Any) -> None:
    shape = workflow_shape(graph)
    assert shape is None or len(shape) == 16
    assert all(value > 0 for value in workflow_sizes(graph).values())
