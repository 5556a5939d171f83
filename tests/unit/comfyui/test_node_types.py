"""The type of the node that runs: by the graph in the queue, by the pack's word, as it is kept."""

from __future__ import annotations

import json

from comfy_node.contract import EVENT_PROGRESS
from reconciler.comfyui.events import NodeHeard, ProgressHeard, events_of
from reconciler.comfyui.queue import queued_prompt
from reconciler.comfyui.values import RunningState
from reconciler.reconcile.live import LiveSigns


def types_of(graph: object) -> dict[str, str]:
    return dict(queued_prompt([1, "p", graph, {}, []], "here").node_types)


def test_types_by_the_graph() -> None:
    graph = {"7": {"class_type": "KSampler", "inputs": {}}, "9": {"class_type": "SaveImage"}}
    assert types_of(graph) == {"7": "KSampler", "9": "SaveImage"}


def test_a_graph_that_makes_no_sense_has_none() -> None:
    odd = {
        "1": None,
        "2": {"class_type": 5},
        "3": {"class_type": ""},
        "x" * 999: {"class_type": "A"},
    }
    for graph in (None, [], "graph", odd):
        assert types_of(graph) == {}


def test_types_are_bounded_in_number_and_length() -> None:
    graph = {str(n): {"class_type": "A" * 999} for n in range(9_000)}
    types = types_of(graph)
    assert len(types) == 5_000
    assert {len(kind) for kind in types.values()} == {200}


def test_types_make_no_other_prompt_of_it() -> None:
    """A look by another route shows no graph, and is the same look."""
    with_graph = queued_prompt([1, "p", {"7": {"class_type": "A"}}, {}, []], "here")
    assert with_graph == queued_prompt([1, "p", {"7": {}}, {}, []], "here")


def told(**more: object) -> object:
    data = {"prompt_id": "p", "node_id": "7", "node_type": "KSampler", **more}
    (event,) = events_of(json.dumps({"type": EVENT_PROGRESS, "data": data}).encode())
    return event


def test_types_by_the_packs_word() -> None:
    steps = told(value=3, max=30, nodes_done=2)
    assert steps == ProgressHeard("p", "7", 3.0, 30.0, 2, "KSampler")
    assert told() == NodeHeard("p", "7", None, "KSampler")


def test_the_type_is_kept_as_long_as_the_node_runs() -> None:
    live = LiveSigns()
    live.node("p", "7", node_type="KSampler")
    live.progress("p", "7", 1, 30)
    assert live.of("p").node_type == "KSampler"  # type: ignore[union-attr]
    live.node("p", "8")
    assert live.of("p").node_type is None  # type: ignore[union-attr]
    live.shown("p", RunningState(9.0, 0.0, "9", "SaveVideo"))
    assert live.of("p").node_type == "SaveVideo"  # type: ignore[union-attr]
