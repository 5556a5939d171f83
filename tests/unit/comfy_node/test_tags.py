"""POST /prompt bodies with and without a job id."""

from __future__ import annotations

import copy
import uuid
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_node.contract import MAX_ID_LENGTH, tag_text
from comfy_node.tags import tag_item, tag_prompt

CLIENT_ID = "0d03459d-6976-4e9b-b2aa-7af51e14a600"


def tag_node(job_id: object) -> dict[str, Any]:
    return {"class_type": "ReconcilerTagOutput", "inputs": {"value": ["1", 0], "job_id": job_id}}


def graph(**more: Any) -> dict[str, Any]:
    return {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a"}}, **more}


def tag_of(body: Any) -> tuple[str | None, str]:
    pnginfo = body["extra_data"]["extra_pnginfo"]
    return pnginfo.get("job_id"), pnginfo["prompt_id"]


def notes_of(body: Any) -> Any:
    return body["extra_data"].get("reconciler")


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
    assert tagged["extra_data"].pop("reconciler") == {"job_id_from": "client"}
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

    assert (tag_of(first)[0], notes_of(first)) == ("direct", {"job_id_from": "client"})
    assert (tag_of(second)[0], notes_of(second)) == ("in pnginfo", {"job_id_from": "client"})


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


@pytest.mark.parametrize(
    "body",
    [
        # Not what ComfyUI expects: its own business to refuse.
        [],
        "text",
        None,
        {"extra_data": [42]},
        {"prompt": None, "extra_data": {"extra_pnginfo": None}},
        {"prompt": graph(), "extra_data": {"job_id": 42, "extra_pnginfo": []}},
        {"prompt": graph(), "extra_data": {"job_id": 42}, "prompt_id": {"not": "an id"}},
        {"prompt": graph(), "prompt_id": ""},
        {"extra_data": {"job_id": 42}},
    ],
)
def test_a_body_of_a_strange_shape_comes_back_untouched(body: Any) -> None:
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

    tagged = tag_prompt(body)

    assert tag_of(tagged) == (None, tagged["prompt_id"])
    assert notes_of(tagged) is None
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
    assert tag_of(tag_prompt(apart))[0] is None
    assert tag_of(tag_prompt(linked))[0] is None
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


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": graph()},
        {"prompt": graph(), "extra_data": None},
        {"prompt": graph(), "extra_data": {"extra_pnginfo": {"workflow": {}}}},
        {"prompt": graph(t=tag_node(""))},
        {"prompt": {"1": None, "2": {"class_type": "ReconcilerTagOutput", "inputs": None}}},
    ],
)
def test_a_prompt_without_a_job_id_is_tagged_with_its_own_id_alone(body: dict[str, Any]) -> None:
    tagged = tag_prompt(body)

    assert tag_of(tagged) == (None, tagged["prompt_id"])
    assert uuid.UUID(tagged["prompt_id"]).version == 4
    assert notes_of(tagged) is None


def test_the_note_tells_a_tag_node_s_word_from_the_client_s() -> None:
    by_node = tag_prompt({"prompt": graph(t=tag_node("7"))})
    agreed = tag_prompt({"prompt": graph(t=tag_node("7")), "extra_data": {"job_id": "7"}})

    assert notes_of(by_node) == {"job_id_from": "node"}
    assert notes_of(agreed) == {"job_id_from": "client"}


def test_extra_data_that_is_sent_again_makes_no_client_s_word_of_a_tag_node_s() -> None:
    first = tag_prompt({"prompt": graph(t=tag_node("7")), "extra_data": {}})
    extra_data = first["extra_data"]

    same = tag_prompt({"prompt": graph(t=tag_node("7")), "extra_data": extra_data})
    other = tag_prompt({"prompt": graph(t=tag_node("8")), "extra_data": extra_data})
    without = tag_prompt({"prompt": graph(), "extra_data": extra_data})
    named = tag_prompt({"prompt": graph(), "extra_data": {**extra_data, "job_id": 9}})

    assert (tag_of(same)[0], notes_of(same)) == ("7", {"job_id_from": "node"})
    assert (tag_of(other)[0], notes_of(other)) == ("8", {"job_id_from": "node"})
    assert (tag_of(without)[0], notes_of(without)) == (None, None)
    assert (tag_of(named)[0], notes_of(named)) == ("9", {"job_id_from": "client"})


@pytest.mark.parametrize(
    "notes", [None, [], "x", {"job_id_from": ["node"]}, {"first_prompt_id": 1}]
)
def test_a_client_s_own_notes_are_replaced_whatever_they_are(notes: Any) -> None:
    extra_data = {"job_id": 42, "reconciler": notes}

    assert notes_of(tag_prompt({"prompt": graph(), "extra_data": extra_data})) == {
        "job_id_from": "client"
    }


def follow_up(extra_data: Any, prompt_id: str = "next", kind: Any = tuple) -> Any:
    return kind((-3, prompt_id, graph(), extra_data, ["1"], {"secret": 1}))


def test_a_follow_up_of_a_batch_gets_a_copy_with_its_own_id_and_the_first_one_s() -> None:
    shared = tag_prompt({"prompt": graph(), "prompt_id": "one", "extra_data": {"job_id": 42}})
    shared = shared["extra_data"]
    before = copy.deepcopy(shared)
    item = follow_up(shared, "two")

    second = tag_item(item, {"one"}.__contains__)
    third = tag_item(follow_up(second[3], "three"), {"one", "two"}.__contains__)

    assert shared == before
    assert item[3] is shared
    assert (second[:3], second[4:]) == (item[:3], item[4:])
    assert second[3]["extra_pnginfo"] == {"job_id": "42", "prompt_id": "two"}
    assert second[3]["reconciler"] == {"job_id_from": "client", "first_prompt_id": "one"}
    assert third[3]["extra_pnginfo"] == {"job_id": "42", "prompt_id": "three"}
    assert third[3]["reconciler"] == {"job_id_from": "client", "first_prompt_id": "one"}


def test_a_follow_up_keeps_the_tag_node_s_job_id_as_such() -> None:
    first = tag_prompt({"prompt": graph(t=tag_node("7")), "prompt_id": "one"})

    item = tag_item(follow_up(first["extra_data"]), {"one"}.__contains__)

    assert item[3]["extra_pnginfo"] == {"job_id": "7", "prompt_id": "next"}
    assert item[3]["reconciler"] == {"job_id_from": "node", "first_prompt_id": "one"}


def test_an_older_comfyui_that_chose_another_id_makes_no_follow_up() -> None:
    body = tag_prompt({"prompt": graph(), "prompt_id": "ours", "extra_data": {"job_id": 42}})

    item = tag_item(follow_up(body["extra_data"], "its own"), set().__contains__)

    assert item[3]["extra_pnginfo"] == {"job_id": "42", "prompt_id": "its own"}
    assert item[3]["reconciler"] == {"job_id_from": "client"}


def test_an_item_that_names_itself_is_put_as_it_is() -> None:
    body = tag_prompt({"prompt": graph(), "prompt_id": "next", "extra_data": {"job_id": 42}})
    item = follow_up(body["extra_data"])

    assert tag_item(item, {"next"}.__contains__) is item


class Named(NamedTuple):
    number: int
    prompt_id: str
    graph: Any
    extra_data: Any
    outputs: Any
    sensitive: Any


def test_an_item_keeps_its_type() -> None:
    named = tag_item(Named(*follow_up({})), set().__contains__)

    assert isinstance(named, Named)
    assert named.extra_data == {"extra_pnginfo": {"prompt_id": "next"}}
    assert type(tag_item(follow_up({}), set().__contains__)) is tuple
    assert type(tag_item(follow_up({}, kind=list), set().__contains__)) is list


@pytest.mark.parametrize("extra_data", [None, [], "x", {"extra_pnginfo": []}])
def test_an_item_of_a_strange_shape_is_put_as_it_is(extra_data: Any) -> None:
    item = follow_up(extra_data)

    assert tag_item(item, set().__contains__) is item


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
        assert isinstance(body["prompt"], dict)
        assert tag_of(tagged)[1] == tag_text(tagged["prompt_id"])
        if notes_of(tagged) is not None:
            assert tag_text(tag_of(tagged)[0]) == tag_of(tagged)[0]
            assert notes_of(tagged)["job_id_from"] in ("client", "node")
