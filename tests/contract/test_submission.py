"""POST /prompt: what is taken, what is refused, and in which words."""

from __future__ import annotations

import time
import uuid

import pytest
import requests

from tests.contract.talk import Server, as_sent, fresh_prefix, images_graph, video_graph

pytestmark = pytest.mark.contract


def test_an_accepted_prompt_gets_an_id_and_a_number(server: Server) -> None:
    answer = server.post("/prompt", {"prompt": images_graph(fresh_prefix("post"))})
    body = answer.json()
    assert answer.status_code == 200
    assert body.keys() == {"prompt_id", "number", "node_errors"}
    assert str(uuid.UUID(body["prompt_id"])) == body["prompt_id"]
    assert isinstance(body["number"], int)
    assert body["node_errors"] == {}
    server.wait_for_end(body["prompt_id"])


def test_numbers_count_upwards_and_front_turns_them_round(server: Server) -> None:
    def post(**more: object) -> float:
        graph = images_graph(fresh_prefix("number"))
        number: float = server.post("/prompt", {"prompt": graph, **more}).json()["number"]
        return number

    first, second, front = post(), post(), post(front=True)
    assert second == first + 1
    assert front == -(second + 1)
    assert post(number=7) == 7.0
    assert post() == second + 2, "a number of the client's own does not count"


def test_a_missing_input_is_refused_with_the_node_and_the_input(server: Server) -> None:
    graph = video_graph(fresh_prefix("invalid"))
    del graph["3"]["inputs"]["video"]
    answer = server.post("/prompt", {"prompt": graph})
    missing = {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": "video",
        "extra_info": {"input_name": "video"},
    }
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "Required input is missing: video",
            "extra_info": {},
        },
        "node_errors": {
            "3": {"errors": [missing], "dependent_outputs": ["3"], "class_type": "SaveVideo"}
        },
    }


def test_an_unknown_node_is_refused(server: Server) -> None:
    answer = server.post("/prompt", {"prompt": {"9": {"class_type": "NoSuchNode", "inputs": {}}}})
    body = answer.json()
    assert answer.status_code == 400
    assert body["node_errors"] == {}
    assert body["error"]["type"] == (
        "missing_node_type" if server.has_jobs_api else "invalid_prompt"
    )
    assert body["error"]["details"] == "Node ID '#9'"
    assert "NoSuchNode" in body["error"]["message"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "no_prompt"),
        ({"prompt": {"1": images_graph("unused")["1"]}}, "prompt_no_outputs"),
        ({"prompt": {}}, "prompt_no_outputs"),
    ],
)
def test_nothing_to_run_is_refused(server: Server, body: dict[str, object], kind: str) -> None:
    answer = server.post("/prompt", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == kind
    assert answer.json()["error"].keys() == {"type", "message", "details", "extra_info"}


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("width", "wide", "invalid_input_type"),
        ("width", 0, "value_smaller_than_min"),
        ("width", ["1"], "bad_linked_input"),
        ("width", ["2", 0], "return_type_mismatch"),
    ],
)
def test_a_wrong_value_is_refused(server: Server, name: str, value: object, kind: str) -> None:
    graph = images_graph(fresh_prefix("wrong"))
    graph["2"]["inputs"]["images"] = ["3", 0]
    graph["3"] = {"class_type": "EmptyImage", "inputs": {**graph["1"]["inputs"], name: value}}
    graph["2"] = graph.pop("2")
    if kind == "return_type_mismatch":
        graph["3"]["inputs"][name] = ["1", 0]
    answer = server.post("/prompt", {"prompt": graph})
    assert answer.status_code == 400
    errors = answer.json()["node_errors"]["3"]
    assert errors["dependent_outputs"] == ["2"]
    assert [error["type"] for error in errors["errors"]] == [kind]
    assert errors["errors"][0]["extra_info"]["input_name"] == name


def test_with_one_valid_output_the_rest_is_dropped_and_told(server: Server) -> None:
    graph = images_graph(fresh_prefix("partly"))
    graph["9"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}
    answer = server.post("/prompt", {"prompt": graph})
    assert answer.status_code == 200
    assert answer.json()["node_errors"].keys() == {"9"}
    entry = server.wait_for_end(answer.json()["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    assert entry["prompt"][4] == ["2"]
    assert entry["outputs"].keys() == {"2"}


def test_only_the_targets_of_a_partial_execution_run(server: Server) -> None:
    graph = images_graph(fresh_prefix("target"))
    graph["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    entry = server.finish(graph, partial_execution_targets=["9"])
    assert entry["prompt"][4] == ["9"]
    assert entry["outputs"].keys() == {"9"}
    body = {"prompt": graph, "partial_execution_targets": []}
    assert server.post("/prompt", body).json()["error"]["type"] == "prompt_no_outputs"


#: Ids that are no canonical UUIDs: any text, capitals, no hyphens.
LOOSE_IDS = ["plain", "2F0E9C1B-7D6A-4E58-9B3C-0A1D2E3F4A5B", "2f0e9c1b7d6a4e589b3c0a1d2e3f4a5b"]


@pytest.mark.parametrize("given", LOOSE_IDS)
def test_only_old_versions_take_any_prompt_id(server: Server, given: str) -> None:
    graph = images_graph(fresh_prefix("id"))
    answer = server.post("/prompt", {"prompt": graph, "prompt_id": given})
    if server.has_jobs_api:
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_prompt_id"
    else:
        assert answer.json()["prompt_id"] == given
        server.wait_for_end(given)


def test_a_canonical_uuid_is_taken_by_all_and_not_noticed_when_used_twice(server: Server) -> None:
    given = str(uuid.uuid4())
    for _ in range(2):
        graph = images_graph(fresh_prefix("twice"))
        assert server.submit(graph, prompt_id=given) == given
        server.wait_for_end(given)


def test_extra_data_comes_back_as_it_was_with_the_client(server: Server) -> None:
    extra = {"job_id": 42, "extra_pnginfo": {"job_id": "42"}}
    before_ms = time.time() * 1000
    graph = images_graph(fresh_prefix("extra"))
    entry = server.finish(graph, extra_data=extra, client_id="somebody")
    stored = entry["prompt"][3]
    if server.has_jobs_api:
        created_ms = stored.pop("create_time")
        assert isinstance(created_ms, int)
        assert before_ms - 1 <= created_ms <= time.time() * 1000 + 1
    assert as_sent(stored) == extra | {"client_id": "somebody"}


def test_a_body_that_is_no_json_is_an_error_of_the_server(server: Server) -> None:
    answer = requests.post(f"{server.url}/prompt", data="<html>", timeout=10)
    assert answer.status_code == 500


def test_a_body_that_is_a_list_holds_no_prompt(server: Server) -> None:
    answer = server.post("/prompt", [])
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "no_prompt"


@pytest.mark.parametrize(
    "node",
    [
        {"class_type": "SaveImage"},
        {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "x"}},
    ],
)
def test_a_graph_that_breaks_the_validation_is_refused(
    server: Server, node: dict[str, object]
) -> None:
    answer = server.post("/prompt", {"prompt": {"2": node}})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "prompt_outputs_failed_validation"
    [error] = answer.json()["node_errors"]["2"]["errors"]
    assert error["type"] == "exception_during_validation"
    assert error["extra_info"].keys() == {"exception_type", "traceback"}


def test_a_number_that_is_none_is_an_error_of_the_server(server: Server) -> None:
    graph = images_graph(fresh_prefix("number"))
    assert server.post("/prompt", {"prompt": graph, "number": "x"}).status_code == 500
    answer = server.post("/prompt", {"prompt": graph, "number": "7.5"})
    assert answer.json()["number"] == 7.5


def test_nodes_describe_themselves(server: Server) -> None:
    described = server.json("/object_info/SaveImage")["SaveImage"]
    fields = {"input", "input_order", "output", "output_is_list", "output_name", "name"}
    fields |= {"display_name", "description", "python_module", "category", "output_node"}
    assert fields <= described.keys()
    assert described["output_node"] is True
    assert described["input"]["required"].keys() == {"images", "filename_prefix"}
    assert described["input_order"]["required"] == ["images", "filename_prefix"]
    assert server.json("/object_info/EmptyImage")["EmptyImage"]["output_node"] is False
    assert server.json("/object_info/NoSuchNode") == {}
