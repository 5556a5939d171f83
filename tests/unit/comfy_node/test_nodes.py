"""The nodes, called as ComfyUI calls them."""

from __future__ import annotations

import inspect
import json
import math
import sys
import uuid
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import time_machine

from comfy_node import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from comfy_node.contract import (
    EXPECT_NODE,
    EXPECT_NODE_FRAMES,
    PREFIX_NODE,
    TAG_NODE,
    TAG_NODE_JOB_ID,
    expected_frames,
)

ALL = list(NODE_CLASS_MAPPINGS)
PASSING_THROUGH = {TAG_NODE: {TAG_NODE_JOB_ID: "42"}, EXPECT_NODE: {EXPECT_NODE_FRAMES: 72}}


def run(kind: str, **inputs: Any) -> Any:
    """The node's first output."""
    node = NODE_CLASS_MAPPINGS[kind]
    outputs = getattr(node(), node.FUNCTION)(**inputs)
    assert len(outputs) == len(node.RETURN_TYPES)
    return outputs[0]


def prefix(job_id: object = "", name: str = "", subfolder: str = "", **hidden: Any) -> str:
    return run(PREFIX_NODE, job_id=job_id, name=name, subfolder=subfolder, **hidden)


def fingerprint(kind: str, **inputs: Any) -> Any:
    """What ComfyUI puts into the cache key. NaN equals nothing, itself neither."""
    return NODE_CLASS_MAPPINGS[kind].IS_CHANGED(**inputs)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of the prompt that ComfyUI is executing."""
    module = ModuleType("comfy_execution.utils")
    context = SimpleNamespace(prompt_id="0d03459d-running")
    module.get_executing_context = lambda: context  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy_execution.utils", module)
    return context.prompt_id


# All of them


@pytest.mark.parametrize("kind", ALL)
def test_what_a_user_sees_of_it(kind: str) -> None:
    node = NODE_CLASS_MAPPINGS[kind]

    assert NODE_DISPLAY_NAME_MAPPINGS[kind]
    assert node.CATEGORY == "reconciler"
    assert 40 < len(node.DESCRIPTION) < 200
    assert len(node.OUTPUT_TOOLTIPS) == len(node.RETURN_NAMES) == len(node.RETURN_TYPES)
    for _, options in node.INPUT_TYPES()["required"].values():
        assert 20 < len(options["tooltip"]) < 200


@pytest.mark.parametrize("kind", ALL)
def test_inputs_are_the_arguments_of_the_function_and_of_the_fingerprint(kind: str) -> None:
    node = NODE_CLASS_MAPPINGS[kind]
    inputs = [name for group in node.INPUT_TYPES().values() for name in group]

    functions = [getattr(node(), node.FUNCTION)]
    functions += [node.IS_CHANGED] if hasattr(node, "IS_CHANGED") else []
    for function in functions:
        assert list(inspect.signature(function).parameters) == inputs


@pytest.mark.parametrize("kind", ALL)
def test_a_default_is_a_value_that_the_widget_takes(kind: str) -> None:
    for name, (type_name, options) in NODE_CLASS_MAPPINGS[kind].INPUT_TYPES()["required"].items():
        if type_name == "*":
            assert "default" not in options
        elif type_name == "INT":
            assert options["min"] <= options["default"] <= options["max"], name
        else:
            assert (type_name, type(options["default"])) == ("STRING", str)


# Tag Output with Job ID, Expect Frames


@pytest.mark.parametrize("kind", PASSING_THROUGH)
def test_it_hands_through_the_very_object_that_it_got(kind: str) -> None:
    value = object()

    assert run(kind, value=value, **PASSING_THROUGH[kind]) is value


@pytest.mark.parametrize("kind", PASSING_THROUGH)
def test_its_type_fits_every_other_on_either_side_as_comfyui_0_3_64_compares(kind: str) -> None:
    node = NODE_CLASS_MAPPINGS[kind]
    (returned,) = node.RETURN_TYPES
    accepted, _ = node.INPUT_TYPES()["required"]["value"]

    for other in ("IMAGE", "LATENT", "VIDEO", "AUDIO", "STRING,INT"):
        assert (returned != other) is False
        assert (other != accepted) is False
    assert json.dumps([returned, accepted]) == '["*", "*"]'


def test_the_tag_is_a_literal_that_the_prompt_handler_can_read() -> None:
    kind, options = NODE_CLASS_MAPPINGS[TAG_NODE].INPUT_TYPES()["required"][TAG_NODE_JOB_ID]

    assert kind == "STRING"
    assert options["socketless"] is True
    assert options["default"] == ""


def test_a_promise_in_the_graph_is_read_off_it_and_may_be_answered_from_the_cache() -> None:
    inputs = {"value": ["1", 0], EXPECT_NODE_FRAMES: 72}

    assert expected_frames({"2": {"class_type": EXPECT_NODE, "inputs": inputs}}) == 72
    assert fingerprint(EXPECT_NODE, value=None, frames=72) == 72


def test_a_promise_that_is_wired_in_is_made_anew_for_every_prompt() -> None:
    assert math.isnan(fingerprint(EXPECT_NODE, value=None, frames=None))


def test_what_is_promised_is_noted_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr("comfy_node.nodes.expect_frames", noted.append)

    run(EXPECT_NODE, value=None, frames=72)

    assert noted == [72]


# Job Filename Prefix


def test_its_own_job_id_goes_first_then_the_tag_then_the_prompt(running: str) -> None:
    tags = {"job_id": "7", "prompt_id": "p-1", "workflow": {}}

    assert prefix("42", extra_pnginfo=tags) == "42"
    assert prefix(42, extra_pnginfo=tags) == "42"
    assert prefix(extra_pnginfo=tags) == "7"
    assert prefix(extra_pnginfo={"prompt_id": "p-1"}) == "p-1"
    assert prefix(extra_pnginfo={"job_id": ["no id"]}) == running
    assert prefix(extra_pnginfo=None) == prefix() == running


def test_a_prompt_of_which_nothing_is_known_shares_its_prefix_with_none() -> None:
    first, second = prefix(extra_pnginfo=[]), prefix(extra_pnginfo=[])

    assert uuid.UUID(first) != uuid.UUID(second)


def test_a_job_id_that_is_no_id_is_not_used(running: str) -> None:
    assert prefix("two\nlines") == prefix(None) == prefix(True) == running


def test_name_and_subfolder_surround_the_job() -> None:
    day, file_name = prefix("42", name="final", subfolder="%Y-%m-%d").split("/")

    assert file_name == "42_final"
    assert [len(part) for part in day.split("-")] == [4, 2, 2]


def test_its_own_job_id_lets_the_cache_answer_until_the_date_changes() -> None:
    inputs = {"job_id": "42", "name": "", "subfolder": "%Y-%m-%d"}

    with time_machine.travel("2026-11-24 12:00", tick=False) as clock:
        morning = fingerprint(PREFIX_NODE, **inputs)
        assert morning == run(PREFIX_NODE, **inputs) == "2026-11-24/42"
        clock.shift(3600)
        assert fingerprint(PREFIX_NODE, **inputs) == morning
        clock.shift(86400)
        assert fingerprint(PREFIX_NODE, **inputs) != morning


@pytest.mark.parametrize("unknown", ["job_id", "name", "subfolder"])
def test_where_something_is_wired_or_the_job_id_empty_it_runs_for_every_prompt(
    unknown: str,
) -> None:
    inputs = {"job_id": "42", "name": "", "subfolder": ""}

    assert math.isnan(fingerprint(PREFIX_NODE, **{**inputs, unknown: None}))
    assert math.isnan(fingerprint(PREFIX_NODE, **{**inputs, "job_id": ""}))
