"""GET /api/jobs of ComfyUI 0.33.0: the same memory as /queue and /history, told shorter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.simulator.queue import AnyPromptQueue, Item

Job = dict[str, Any]

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
_PREVIEWABLE = ("images", "video", "audio", "3d", "text")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


class BadQuery(Exception):
    """A parameter of the query has no meaning; the message says which."""


def list_jobs(queue: AnyPromptQueue, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer to GET /api/jobs. Raises `BadQuery`."""
    wanted = _wanted_statuses(query.get("status"))
    limit = _integer(query, "limit")
    if limit is not None and limit <= 0:
        raise BadQuery("limit must be a positive integer")
    offset = max(_integer(query, "offset") or 0, 0)
    jobs = [job for job in _all_jobs(queue) if job["status"] in wanted]
    order = _choice(query, "sort_order", ("desc", "asc"))
    by = _choice(query, "sort_by", ("created_at", "execution_duration"))
    key = _duration_ms if by == "execution_duration" else _created_ms
    jobs.sort(key=key, reverse=order == "desc")
    page = jobs[offset : None if limit is None else offset + limit]
    pagination = {
        "offset": offset,
        "limit": limit,
        "total": len(jobs),
        "has_more": offset + len(page) < len(jobs),
    }
    return {"jobs": page, "pagination": pagination}


def find_job(queue: AnyPromptQueue, prompt_id: str) -> Job | None:
    """The answer to GET /api/jobs/{id}, or None if nobody knows it."""
    running, pending = queue.get_current_queue_volatile()
    for entry in queue.get_history(prompt_id).values():
        details = {
            "outputs": entry["outputs"],
            "execution_status": entry["status"],
            "workflow": {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]},
        }
        return _ended(prompt_id, entry) | details
    for items, status in ((running, "in_progress"), (pending, "pending")):
        for item in items:
            if item[1] == prompt_id:
                return _open(item, status)
    return None


def _all_jobs(queue: AnyPromptQueue) -> Iterator[Job]:
    running, pending = queue.get_current_queue_volatile()
    ended = queue.get_history()
    yield from (_open(item, "in_progress") for item in running)
    yield from (_open(item, "pending") for item in pending)
    yield from (_ended(prompt_id, entry) for prompt_id, entry in ended.items())


def _open(item: Item, status: str) -> Job:
    number, prompt_id, _, extra_data = item[:4]
    return _without_nothing(
        id=prompt_id,
        status=status,
        priority=number,
        create_time=extra_data.get("create_time"),
        outputs_count=0,
        previewable_outputs_count=0,
        workflow_id=_workflow_id(extra_data),
    )


def _ended(prompt_id: str, entry: dict[str, Any]) -> Job:
    number, _, _, extra_data = entry["prompt"][:4]
    messages = dict(entry["status"]["messages"])
    end: dict[str, Any] = next((messages[name] for name in _ENDS if name in messages), {})
    outputs = list(_outputs(entry["outputs"]))
    previews = [shown for shown, previewable in outputs if previewable]
    best = [shown for shown in previews if shown.get("type") == "output"] or previews
    return _without_nothing(
        id=prompt_id,
        status=_status(entry, messages),
        priority=number,
        create_time=extra_data.get("create_time"),
        execution_start_time=messages["execution_start"]["timestamp"],
        execution_end_time=end.get("timestamp"),
        execution_error=messages.get("execution_error"),
        outputs_count=len(outputs),
        previewable_outputs_count=len(previews),
        preview_output=best[0] if best else None,
        workflow_id=_workflow_id(extra_data),
    )


def _status(entry: dict[str, Any], messages: dict[str, Any]) -> str:
    if entry["status"]["status_str"] == "success":
        return "completed"
    return "cancelled" if "execution_interrupted" in messages else "failed"


def _outputs(outputs: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every listed file as a preview would show it, and whether it can be previewed."""
    for node_id, node_outputs in outputs.items():
        for kind, files in node_outputs.items():
            for file in files:
                if isinstance(file, dict):
                    is_media = file.get("format", "").startswith(("video/", "audio/"))
                    shown = {**file, "nodeId": node_id, "mediaType": kind}
                    yield shown, kind in _PREVIEWABLE or is_media


def _workflow_id(extra_data: dict[str, Any]) -> str | None:
    workflow_id = extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("id")
    return None if workflow_id is None else str(workflow_id)


def _wanted_statuses(text: str | None) -> tuple[str, ...]:
    wanted = tuple(each.strip().lower() for each in (text or "").split(",") if each.strip())
    invalid = [each for each in wanted if each not in STATUSES]
    if invalid:
        known = ", ".join(STATUSES)
        raise BadQuery(f"Invalid status value(s): {', '.join(invalid)}. Valid values: {known}")
    return wanted or STATUSES


def _created_ms(job: Job) -> int:
    return int(job.get("create_time", 0))


def _duration_ms(job: Job) -> int:
    start, end = job.get("execution_start_time"), job.get("execution_end_time")
    return end - start if start and end else 0


def _choice(query: Mapping[str, str], name: str, choices: tuple[str, str]) -> str:
    """One of two words, by default the first."""
    given = query.get(name, choices[0]).lower()
    if given not in choices:
        first, second = sorted(choices)
        raise BadQuery(f"{name} must be '{first}' or '{second}'")
    return given


def _integer(query: Mapping[str, str], name: str) -> int | None:
    if name not in query:
        return None
    try:
        return int(query[name])
    except ValueError as error:
        raise BadQuery(f"{name} must be an integer") from error


def _without_nothing(**fields: object) -> Job:
    return {name: value for name, value in fields.items() if value is not None}
