"""POST /prompt bodies with and without a job id."""

from __future__ import annotations

import copy
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_node.contract import MAX_ID_LENGTH, tag_text
from comfy_node.hooks import register, tag_prompt

from .conftest import FakePromptServer

CLIENT_ID = "0d03459d-6976-4e9b-b2aa-7af51e14a600"


def tag_node(job_id: object) -> dict[str, Any]:
    return {"class_type": "ReconcilerTagOutput", "inputs": {"value": ["1", 0], "job_id": job_id}}


def graph(**more: Any) -> dict[str, Any]:
    return {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a"}}, **more}


def tag_of(body: Any) -> tuple[str, str]:
    pnginfo = body["extra_data"]["extra_pnginfo"]
    return pnginfo["job_id"], pnginfo["prompt_id"]


class BrokenBody(dict[str, Any]):
    """Stands for a fault of our own: whatever the hook asks, it raises."""

    def get(self, *args: Any) -> Any:
        raise LookupError("broken on purpose")


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": graph(), "extra_data": {"job_id": 42}},
        {"prompt": graph(), "extra_data": {"job_id": "42", "extra_pnginfo": None}},
        {"prompt": graph(), "extra_data": {"extra_pnginfo": {"job_id": 42}}},
        {"prompt": graph(t=tag_node("42"))},
        {"prompt": graph(t=tag_node(42)), "extra_data": None},
    ],
)
def test_a_job_id_from_any_source_becomes_a_tag_of_two_texts(body: dict[str, Any]) -> None:
    tagged = tag_prompt(body)

    job_id, prompt_id = tag_of(tagged)
    assert job_id == "42"
    assert prompt_id == tagged["prompt_id"] == str(uuid.UUID(prompt_id, version=4))


def test_nothing_else_in_the_body_changes_and_the_argument_stays_as_it_was() -> None:
    body = {
        "prompt": graph(),
        "number": -1.5,
        "client_id": "lab",
        "extra_data": {"job_id": 42, "other": [1], "extra_pnginfo": {"workflow": {"nodes": []}}},
    }
    before = copy.deepcopy(body)

    tagged = tag_prompt(body)

    assert body == before
    del tagged["prompt_id"]
    for name in ("job_id", "prompt_id"):
        del tagged["extra_data"]["extra_pnginfo"][name]
    assert tagged == before


def test_the_submitter_goes_before_the_metadata_and_the_graph() -> None:
    pnginfo = {"job_id": "in pnginfo"}
    nodes = graph(t=tag_node("in graph"))

    first = tag_prompt(
        {"prompt": nodes, "extra_data": {"job_id": "direct", "extra_pnginfo": pnginfo}}
    )
    second = tag_prompt({"prompt": nodes, "extra_data": {"job_id": "", "extra_pnginfo": pnginfo}})

    assert tag_of(first)[0] == "direct"
    assert tag_of(second)[0] == "in pnginfo"


def test_a_client_keeps_its_own_prompt_id() -> None:
    tagged = tag_prompt({"prompt": graph(), "prompt_id": CLIENT_ID, "extra_data": {"job_id": 1}})

    assert tagged["prompt_id"] == CLIENT_ID
    assert tag_of(tagged) == ("1", CLIENT_ID)


def test_a_null_prompt_id_counts_as_none_and_a_number_is_tagged_as_comfyui_spells_it() -> None:
    null = tag_prompt({"prompt": graph(), "prompt_id": None, "extra_data": {"job_id": 1}})
    number = tag_prompt({"prompt": graph(), "prompt_id": 5, "extra_data": {"job_id": 1}})

    assert uuid.UUID(null["prompt_id"]).version == 4
    assert (number["prompt_id"], tag_of(number)) == (5, ("1", "5"))


def test_the_tag_of_an_earlier_prompt_that_is_sent_again_is_replaced() -> None:
    first = tag_prompt({"prompt": graph(), "extra_data": {"job_id": 42}})

    again = tag_prompt({"prompt": graph(), "extra_data": first["extra_data"]})

    assert again["prompt_id"] != first["prompt_id"]
    assert tag_of(again) == ("42", again["prompt_id"])


def test_a_pack_that_is_installed_twice_tags_as_if_once(comfyui: FakePromptServer) -> None:
    assert register() and register()

    tagged = comfyui.post({"prompt": graph(), "extra_data": {"job_id": 42}})

    assert len(comfyui.handlers) == 2
    assert tag_of(tagged) == ("42", tagged["prompt_id"])


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": graph()},
        {"prompt": graph(), "extra_data": {"extra_pnginfo": {"workflow": {}}}},
        {"prompt": graph(t=tag_node(""))},
        # Not what ComfyUI expects: its own business to refuse.
        [],
        "text",
        None,
        {"extra_data": [42]},
        {"prompt": None, "extra_data": {"extra_pnginfo": None}},
        {"prompt": graph(), "extra_data": {"job_id": 42, "extra_pnginfo": []}},
        {"prompt": graph(), "extra_data": {"job_id": 42}, "prompt_id": {"not": "an id"}},
        {"prompt": {"1": None, "2": {"class_type": "ReconcilerTagOutput", "inputs": None}}},
    ],
)
def test_a_body_without_a_job_id_or_of_a_strange_shape_comes_back_untouched(body: Any) -> None:
    before = copy.deepcopy(body)

    assert tag_prompt(body) is body
    assert body == before


@pytest.mark.parametrize(
    "job_id",
    [{"a": 1}, True, 1.5, "x" * (MAX_ID_LENGTH + 1), "a\nb", "\ud800", "7\u202e", -(10**200)],
)
def test_an_unusable_job_id_is_ignored_with_one_line_that_does_not_repeat_it(
    job_id: object, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"prompt": graph(), "extra_data": {"job_id": job_id}}

    assert tag_prompt(body) is body
    (line,) = caplog.messages
    assert "extra_data.job_id" in line
    assert "printable characters" in line
    assert str(job_id) not in line


def test_a_number_that_python_refuses_to_spell_is_no_id_and_no_error() -> None:
    assert tag_text(10**5000) is None


def test_after_an_unusable_job_id_the_next_source_is_asked() -> None:
    body = {"prompt": graph(t=tag_node("row-7")), "extra_data": {"job_id": ["7"]}}

    assert tag_of(tag_prompt(body))[0] == "row-7"


def test_tag_nodes_must_agree(caplog: pytest.LogCaptureFixture) -> None:
    agreed = {"prompt": graph(t=tag_node("7"), u=tag_node("7"), v=tag_node(""))}
    apart = {"prompt": graph(t=tag_node("7"), u=tag_node("8"))}
    linked = {"prompt": graph(t=tag_node(["1", 0]))}

    assert tag_of(tag_prompt(agreed))[0] == "7"
    assert caplog.messages == []
    assert tag_prompt(apart) is apart
    assert tag_prompt(linked) is linked
    assert ["Tag node" in line for line in caplog.messages] == [True, True]


def test_a_fault_of_our_own_costs_the_tag_and_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = BrokenBody(prompt=graph(), extra_data={"job_id": 42})

    assert tag_prompt(body) is body
    assert tag_prompt(body) is body
    (record,) = caplog.records
    assert record.exc_info
    assert "untagged" in record.getMessage()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from(
    ["prompt", "prompt_id", "extra_data", "extra_pnginfo", "job_id", "class_type", "inputs"]
)
json_values = st.recursive(
    scalars | st.just("ReconcilerTagOutput"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(body=json_values)
def test_any_body_comes_back_either_itself_or_wholly_tagged(body: Any) -> None:
    tagged = tag_prompt(body)

    if tagged is not body:
        job_id, prompt_id = tag_of(tagged)
        assert tag_text(job_id) == job_id
        assert prompt_id == tag_text(tagged["prompt_id"])
