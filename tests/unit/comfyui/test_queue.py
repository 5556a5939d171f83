"""Which prompts a queue holds: strict about who is there, lenient about what they are."""

from typing import Any

import pytest
from hypothesis import given

from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.queue import job_tag, listed_jobs, look_of_queue, queued_prompt
from reconciler.comfyui.values import Look, QueuedPrompt
from tests.unit.comfyui.recorded import NEW, OLD, recorded
from tests.unit.comfyui.test_history import JSON


@pytest.mark.parametrize(
    ("version", "running", "pending", "created_at"),
    [
        (
            OLD,
            "5a4cc2d6-6995-4f6b-a74e-d8dbc291d4af",
            "f64abe2e-45eb-4747-bd13-a95dc1b03f0f",
            (None, None),
        ),
        (
            NEW,
            "efc61e3c-0b6e-4a69-8c1c-53ea84a68fd7",
            "c626a457-19ac-418f-829d-a72088f81a07",
            (1795501148.333, 1795501148.336),
        ),
    ],
)
def test_the_recorded_queue(
    version: str, running: str, pending: str, created_at: tuple[float | None, float | None]
) -> None:
    assert look_of_queue(recorded(version, "queue")) == Look(
        (QueuedPrompt(running, 10.0, None, "lab", 1, 3, created_at[0]),),
        (QueuedPrompt(pending, 11.0, None, "lab", 1, 3, created_at[1]),),
    )


def item(number: float, prompt_id: object, *rest: object) -> list[object]:
    return [number, prompt_id, *rest]


def queue(running: list[Any], pending: list[Any]) -> dict[str, Any]:
    return {"queue_running": running, "queue_pending": pending}


def test_pending_prompts_come_in_the_order_of_the_heap() -> None:
    heap = [item(-3, "front"), item(5, "b"), item(1.5, "x"), item(5, "a"), item(40, "last")]
    look = look_of_queue(queue([], heap))
    assert [prompt.prompt_id for prompt in look.pending] == ["front", "x", "a", "b", "last"]


def test_items_may_be_longer_or_shorter_than_today() -> None:
    long = item(1, "a", {}, {"client_id": "c"}, ["4", "5"], {"secret": 1}, "more")
    assert queued_prompt(long, "here") == QueuedPrompt("a", 1.0, None, "c", 2, 0)
    assert queued_prompt(item(1, "a"), "here") == QueuedPrompt("a", 1.0)
    assert queued_prompt([None, "a", 1, 2, 3], "here") == QueuedPrompt("a", 0.0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"queue_running": []},
        {"queue_pending": []},
        queue({}, []),  # type: ignore[arg-type]
        queue([], [item(1, None)]),
        queue([item(1, "")], []),
        queue([{"prompt_id": "a"}], []),
        queue([[]], []),
    ],
)
def test_a_prompt_that_cannot_be_identified_spoils_the_look(answer: object) -> None:
    with pytest.raises(Misshapen):
        look_of_queue(answer)


@pytest.mark.parametrize(
    ("extra", "job"),
    [
        ({"job_id": 42}, "42"),
        ({"job_id": "a-1"}, "a-1"),
        ({"extra_pnginfo": {"job_id": "43"}}, "43"),
        ({"job_id": None, "extra_pnginfo": {"job_id": 44}}, "44"),
        ({"job_id": 1, "extra_pnginfo": {"job_id": 2}}, "1"),
        ({"job_id": True}, None),
        ({"job_id": 4.0}, None),
        ({"job_id": ["42"]}, None),
        ({"job_id": "x" * 201}, None),
        ({"job_id": "4\n2"}, None),
        ({"extra_pnginfo": "job_id"}, None),
        ({}, None),
    ],
)
def test_the_job_that_a_prompt_names(extra: dict[str, object], job: str | None) -> None:
    assert job_tag(extra) == job


def jobs(*listed: dict[str, Any], total: object = None) -> dict[str, Any]:
    return {"jobs": list(listed), "pagination": {"total": len(listed) if total is None else total}}


def test_listed_jobs_say_who_is_there() -> None:
    (running, pending) = listed_jobs(
        jobs(
            {"id": "a", "status": "in_progress", "priority": 3, "create_time": 1500},
            {"id": "b", "status": "pending"},
        )
    )
    assert (running.prompt_id, running.running, running.number) == ("a", True, 3.0)
    assert running.created_at == 1.5
    assert (pending.prompt_id, pending.running, pending.created_at) == ("b", False, None)


def test_a_job_is_the_same_only_with_the_same_rank_and_time() -> None:
    (job,) = listed_jobs(jobs({"id": "a", "status": "pending", "priority": 3, "create_time": 1500}))
    assert job.is_same(QueuedPrompt("a", 3.0, "42", created_at=1.5))
    assert not job.is_same(QueuedPrompt("a", 4.0, "42", created_at=1.5))
    assert not job.is_same(QueuedPrompt("a", 3.0, "42", created_at=2.5))
    assert not job.is_same(None)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"jobs": {}},
        {"jobs": []},
        jobs({"id": "a", "status": "pending"}, total=2),
        jobs({"id": "a", "status": "completed"}),
        jobs({"status": "pending"}),
        jobs({"id": 7, "status": "pending"}),
    ],
)
def test_half_a_list_is_no_list(answer: object) -> None:
    with pytest.raises(Misshapen):
        listed_jobs(answer)


def test_the_recorded_page_of_ended_jobs_is_refused() -> None:
    # It was asked for without a status and five at a time: 16 jobs, all ended.
    answer = recorded(NEW, "api_jobs")
    with pytest.raises(Misshapen, match="5 jobs of 16"):
        listed_jobs(answer)
    with pytest.raises(Misshapen, match="not asked for"):
        listed_jobs({**answer, "pagination": {"total": 5}})


@given(JSON, JSON)
def test_any_json_gives_a_look_or_misshapen(one: object, other: object) -> None:
    for answer in (one, {"queue_running": one, "queue_pending": other}, {"jobs": one}):
        for read in (look_of_queue, listed_jobs):
            try:
                assert list(read(answer)) is not None  # type: ignore[operator]
            except Misshapen:
                continue
