"""Which column is taken for what, by its name, its type and what is in it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.adopt.facts import Column, ColumnSample
from reconciler.adopt.proposal import Confidence, Given
from tests.unit.adopt.facts import column, propose, table, told, value

UUIDS = ColumnSample(count=20, distinct=20, uuids=20)
WORDS = ColumnSample(count=20, distinct=20)
URLS = ColumnSample(count=5, distinct=5, paths=5, urls=5)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("comfyui_job_id", "prompt_id"),
        ("prompt_id", "prompt_id"),
        ("comfyui_id", "prompt_id"),
        ("comfy_prompt_id", "prompt_id"),
        ("comfyUIJobId", "prompt_id"),
        ("ComfyUI ID", "prompt_id"),
        ("promptId", "prompt_id"),
        ("output_path", "output_path"),
        ("result_path", "output_path"),
        ("output", "output_path"),
        ("video_path", "output_path"),
        ("resultUrl", "output_path"),
        ("error", "error"),
        ("error_message", "error"),
        ("failure_reason", "error"),
        ("FailureReason", "error"),
        ("kind", "job_type"),
    ],
)
def test_names_of_texts(name: str, setting: str) -> None:
    assert value(propose(table(column(name))), setting) == name


@pytest.mark.parametrize(
    ("name", "type_name", "setting"),
    [
        ("num_frames", "integer", "frames"),
        ("frameCount", "bigint", "frames"),
        ("percent", "integer", "progress"),
        ("progress_pct", "numeric(5,2)", "progress"),
        ("inserted_at", "timestamptz", "created_at"),
        ("createdAt", "timestamp", "created_at"),
        ("modified_at", "timestamp", "updated_at"),
        ("last_updated", "timestamptz", "updated_at"),
        ("finished_at", "timestamptz", "completed_at"),
        ("endedAt", "timestamp", "completed_at"),
    ],
)
def test_names_of_numbers_and_times(name: str, type_name: str, setting: str) -> None:
    assert value(propose(table(column(name, type_name))), setting) == name


@pytest.mark.parametrize(
    ("wrong", "setting", "why"),
    [
        (column("error", "boolean"), "error", "error is of type boolean"),
        (column("frames", "jsonb"), "frames", "frames is of type jsonb"),
        (column("prompt_id", "integer"), "prompt_id", "prompt_id is of type integer"),
        (column("prompt_id", "varchar(20)", max_length=20), "prompt_id", "too short"),
        (column("prompt_id", references="prompts"), "prompt_id", "refers to prompts"),
        (column("output", "jsonb"), "output_path", "output is of type jsonb"),
        (column("created_at", "bigint"), "created_at", "created_at is of type bigint"),
        (column("created_at", "date"), "created_at", "created_at is of type date"),
        (column("progress", "text"), "progress", "progress is of type text"),
        (column("progress", "integer", updatable=False), "progress", "cannot be updated"),
    ],
)
def test_what_is_called_so_and_cannot_be_it(wrong: Column, setting: str, why: str) -> None:
    proposal = propose(table(wrong))
    assert value(proposal, setting) is False
    assert why in told(proposal)


@pytest.mark.parametrize(
    ("name", "seen", "setting", "why"),
    [
        ("prompt_id", WORDS, "prompt_id", "holds no UUID in 20 rows"),
        ("output", WORDS, "output_path", "holds no path in 20 rows"),
    ],
)
def test_values_speak_against_a_name(name: str, seen: Any, setting: str, why: str) -> None:
    proposal = propose(table(column(name), seen={name: seen}))
    assert value(proposal, setting) is False
    assert why in told(proposal)


def test_the_next_best_is_taken_and_the_others_are_told() -> None:
    proposal = propose(
        table(
            *(column("error", "boolean"), column("error_message"), column("failure_reason")),
        )
    )
    choice = proposal.choice("jobs", "columns", "error")
    assert choice is not None
    assert choice.value == "error_message"
    assert choice.alternatives == ("failure_reason",)


def test_values_make_it_certain() -> None:
    proposal = propose(table(column("comfy_ref_id"), seen={"comfy_ref_id": UUIDS}))
    choice = proposal.choice("jobs", "columns", "prompt_id")
    assert choice is not None
    assert (choice.value, choice.confidence) == ("comfy_ref_id", Confidence.CERTAIN)
    assert choice.reason == "UUIDs in 20 of 20 values seen"


def test_anybodys_ids_are_told_and_not_taken() -> None:
    proposal = propose(table(column("task_id", "uuid"), seen={"task_id": UUIDS}))
    assert value(proposal, "prompt_id") is False
    assert "If task_id is it, set jobs.columns.prompt_id" in told(proposal)
    assert "ALTER TABLE public.production_jobs ADD COLUMN comfyui_job_id text" in told(proposal)


def test_a_column_without_values_gives_way_to_one_with_values() -> None:
    columns = column("error_message"), column("failure_reason")
    proposal = propose(table(*columns, seen={"failure_reason": WORDS}))
    assert value(proposal, "error") == "failure_reason"


def test_no_column_has_two_meanings() -> None:
    proposal = propose(table(column("state"), column("completed", "timestamp")))
    taken = [c.value for c in proposal.choices if c.setting[1] == "columns" and c.value]
    assert len(taken) == len(set(taken))


def test_frames_and_prompt_ids_inside_json() -> None:
    inside = ColumnSample(
        count=50,
        numbers_at={("seed",): 50, ("video", "frames"): 40, ("old", "deep", "num_frames"): 3},
        uuids_at={("comfyui", "prompt_id"): 50, ("user",): 50},
    )
    proposal = propose(table(column("parameters", "jsonb"), seen={"parameters": inside}))
    frames = proposal.choice("jobs", "columns", "frames")
    assert frames is not None
    assert frames.value == {"column": "parameters", "path": ["video", "frames"]}
    assert frames.alternatives == ("parameters.old.deep.num_frames",)
    assert frames.reason == "there in 40 of 100 rows seen"
    prompt = {"column": "parameters", "path": ["comfyui", "prompt_id"]}
    assert value(proposal, "prompt_id") == prompt


def test_a_url_is_taken_and_what_we_write_is_told() -> None:
    proposal = propose(table(column("result_url"), seen={"result_url": URLS}))
    assert value(proposal, "output_path") == "result_url"
    assert "set stored_path of each server" in told(proposal)


def test_a_path_that_waiting_rows_have_is_what_a_job_takes() -> None:
    taken = ColumnSample(count=5, paths=5, early=True)
    columns = column("image_path"), column("output_file")
    proposal = propose(table(*columns, seen={"image_path": taken}))
    assert value(proposal, "output_path") == "output_file"
    proposal = propose(table(columns[0], seen={"image_path": taken}))
    assert value(proposal, "output_path") is False
    assert "it is what a job takes" in told(proposal)


@pytest.mark.parametrize("name", ["comfyui_client_id", "comfy_server_id", "comfyui_workflow_id"])
def test_other_ids_of_comfyui(name: str) -> None:
    proposal = propose(table(column(name), seen={name: UUIDS}))
    assert value(proposal, "prompt_id") is False


def test_a_short_error_is_told() -> None:
    proposal = propose(table(column("error", "varchar(40)", max_length=40)))
    assert "error takes 40 characters" in told(proposal)
    assert "ALTER COLUMN error TYPE text;" in told(proposal)


@pytest.mark.parametrize(
    ("servers", "words", "expected"),
    [
        ({"gpu1", "gpu2"}, ("gpu1", "gpu2"), "server"),
        ({"gpu1", "gpu2"}, ("gpu1",), "server"),
        ({"gpu1"}, ("gpu1", "other"), False),
        (set(), ("gpu1",), False),
        ({"gpu1"}, (), False),
    ],
)
def test_a_server_is_known_by_its_values(
    servers: set[str], words: tuple[str, ...], expected: Any
) -> None:
    seen = {"server": ColumnSample(count=len(words), words=words)}
    given = Given(servers=frozenset(servers))
    assert value(propose(table(column("server"), seen=seen), given), "server") == expected


def test_a_server_by_another_name() -> None:
    seen = {"worker": ColumnSample(count=3, words=("gpu1",))}
    given = Given(servers=frozenset({"gpu1"}))
    assert value(propose(table(column("worker"), seen=seen), given), "server") == "worker"


def test_what_the_settings_say_stays() -> None:
    given = Given(columns={"error": "note", "progress": False})
    proposal = propose(table(column("note"), column("error"), column("progress", "real")), given)
    assert value(proposal, "error") == "note"
    assert value(proposal, "progress") is False


def test_what_the_settings_say_and_the_table_lacks_is_looked_for_anew() -> None:
    given = Given(columns={"error": "gone", "prompt_id": False})
    proposal = propose(table(column("error"), column("prompt_id")), given)
    assert value(proposal, "error") == "error"
    assert value(proposal, "prompt_id") == "prompt_id"
