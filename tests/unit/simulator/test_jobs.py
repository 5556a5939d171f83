"""GET /api/jobs from the queue and the history alone."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.simulator.jobs import find_job, list_jobs
from reconciler.simulator.queue import PromptQueue

FILE = {"filename": "a.mp4", "subfolder": "", "type": "output"}


def put(queue: PromptQueue, name: str, created: int) -> None:
    workflow = {"extra_pnginfo": {"workflow": {"id": f"flow-{name}"}}}
    queue.put((created, name, {"1": {}}, {"create_time": created, **workflow}, ["1"]))


def finish(
    queue: PromptQueue, name: str, end: str, outputs: dict[str, Any] | None = None, took: int = 5
) -> None:
    """Run the next prompt and end it with that message."""
    taken = queue.get(timeout=0)
    assert taken is not None
    item, item_id = taken
    assert item[1] == name
    messages = [["execution_start", {"timestamp": 100}], [end, {"timestamp": 100 + took}]]
    status_str = "success" if end == "execution_success" else "error"
    status = queue.ExecutionStatus(status_str, status_str == "success", messages)
    queue.task_done(item_id, {"outputs": outputs or {}}, status)


@pytest.fixture
def queue() -> PromptQueue:
    """Three that ended, each in another way, one that runs, and one that waits."""
    queue = PromptQueue(lambda: None)
    for created, name in enumerate(["done", "failed", "interrupted", "running", "waiting"], 1):
        put(queue, name, created)
    finish(queue, "done", "execution_success", {"1": {"images": [FILE], "animated": [True]}}, 9)
    finish(queue, "failed", "execution_error", took=20)
    finish(queue, "interrupted", "execution_interrupted")
    queue.get(timeout=0)
    return queue


def ids(queue: PromptQueue, **query: str) -> list[str]:
    return [job["id"] for job in list_jobs(queue, query)["jobs"]]


def test_statuses(queue: PromptQueue) -> None:
    statuses = {job["id"]: job["status"] for job in list_jobs(queue, {})["jobs"]}
    assert statuses == {
        "done": "completed",
        "failed": "failed",
        "interrupted": "cancelled",
        "running": "in_progress",
        "waiting": "pending",
    }


def test_newest_first_and_otherwise_as_asked_for(queue: PromptQueue) -> None:
    assert ids(queue) == ["waiting", "running", "interrupted", "failed", "done"]
    assert ids(queue, sort_order="asc", limit="2") == ["done", "failed"]
    assert ids(queue, sort_by="execution_duration", limit="2") == ["failed", "done"]
    assert ids(queue, offset="3") == ["failed", "done"]
    assert ids(queue, offset="-1", limit="1") == ["waiting"]
    assert ids(queue, status="pending, In_Progress") == ["waiting", "running"]


def test_pages_say_whether_there_is_more(queue: PromptQueue) -> None:
    pages = [list_jobs(queue, {"limit": "3", "offset": at})["pagination"] for at in ("0", "3")]
    assert pages == [
        {"offset": 0, "limit": 3, "total": 5, "has_more": True},
        {"offset": 3, "limit": 3, "total": 5, "has_more": False},
    ]


def test_one_that_ended(queue: PromptQueue) -> None:
    job = find_job(queue, "done")
    assert job is not None
    assert job["preview_output"] == FILE | {"nodeId": "1", "mediaType": "images"}
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (1, 1)
    assert (job["execution_start_time"], job["execution_end_time"]) == (100, 109)
    assert job["workflow_id"] == "flow-done"
    assert job["workflow"]["prompt"] == {"1": {}}
    assert "execution_error" not in job
    failed = find_job(queue, "failed")
    assert failed is not None
    assert failed["execution_error"] == {"timestamp": 120}
    assert "preview_output" not in failed


def test_one_that_waits_says_little_and_one_unknown_nothing(queue: PromptQueue) -> None:
    assert find_job(queue, "waiting") == {
        "id": "waiting",
        "status": "pending",
        "priority": 5,
        "create_time": 5,
        "outputs_count": 0,
        "previewable_outputs_count": 0,
        "workflow_id": "flow-waiting",
    }
    running = find_job(queue, "running")
    assert running is not None
    assert running["status"] == "in_progress"
    assert find_job(queue, "unknown") is None


def test_a_saved_file_is_a_better_preview_than_a_temporary_one(queue: PromptQueue) -> None:
    temporary = {"filename": "t.png", "type": "temp"}
    gif = {"filename": "a.gif", "type": "output", "format": "image/gif"}
    video = {"filename": "a.mp4", "type": "output", "format": "video/h264-mp4"}
    queue.delete_queue_item(lambda item: item[1] == "waiting")
    put(queue, "mixed", 9)
    finish(
        queue, "mixed", "execution_success", {"1": {"images": [temporary], "gifs": [gif, video]}}
    )
    job = find_job(queue, "mixed")
    assert job is not None
    assert job["preview_output"]["filename"] == "a.mp4"
    assert (job["outputs_count"], job["previewable_outputs_count"]) == (3, 2)
