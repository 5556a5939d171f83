"""The node "Tag Output with Job ID"."""

from __future__ import annotations

import inspect
import json

from comfy_node import NODE_CLASS_MAPPINGS
from comfy_node.contract import TAG_NODE, TAG_NODE_JOB_ID

node = NODE_CLASS_MAPPINGS[TAG_NODE]


def test_it_hands_through_the_very_object_that_it_got() -> None:
    images = object()

    assert getattr(node(), node.FUNCTION)(value=images, job_id="42") == (images,)


def test_its_type_fits_every_other_on_either_side_as_comfyui_0_3_64_compares() -> None:
    (returned,) = node.RETURN_TYPES
    accepted, _ = node.INPUT_TYPES()["required"]["value"]

    for kind in ("IMAGE", "VIDEO", "AUDIO", "STRING,INT"):
        assert (returned != kind) is False
        assert (kind != accepted) is False
    assert json.dumps([returned, accepted]) == '["*", "*"]'


def test_the_job_id_is_a_literal_that_the_prompt_handler_can_read() -> None:
    kind, options = node.INPUT_TYPES()["required"][TAG_NODE_JOB_ID]

    assert kind == "STRING"
    assert options["socketless"] is True
    assert options["default"] == ""


def test_inputs_are_the_function_s_arguments_and_each_has_a_tooltip() -> None:
    inputs = node.INPUT_TYPES()["required"]

    arguments = list(inspect.signature(getattr(node(), node.FUNCTION)).parameters)
    assert list(inputs) == arguments
    assert all(len(options["tooltip"]) > 20 for _, options in inputs.values())
