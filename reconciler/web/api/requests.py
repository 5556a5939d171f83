"""What people ask for about jobs: POST, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from reconciler.store.requests import Action, Outcome, Request
from reconciler.web.context import Context, WebContext
from reconciler.web.security.access import Operator, Reader

router = APIRouter(prefix="/api/v1", tags=["requests"])

#: Jobs in one request, and characters of a job's id, at most.
MOST_JOBS, MOST_ID_CHARS = 500, 200
#: Between two looks whether a request has been answered, in seconds.
POLL_S = 0.2
#: The largest id that Postgres gives.
_MOST = 2**63 - 1

JobId = Annotated[str, Path(max_length=MOST_ID_CHARS, description="Id of the job's row.")]
WaitS = Annotated[
    float, Query(ge=0, le=10, description="Wait so many seconds at most for the answer.")
]
_EXAMPLE: dict[str, Any] = {
    "id": 17,
    "job_id": "1234",
    "action": "cancel",
    "asked_by": "ana",
    "asked_at": "2026-11-30T22:04:05.120Z",
    "answered_at": "2026-11-30T22:04:06.031Z",
    "outcome": "done",
    "answer": "cancelled",
}


class Asked(BaseModel):
    """A request, and what became of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    #: None where it was refused at once.
    id: int | None
    job_id: str
    action: Action
    asked_by: str
    asked_at: datetime | None
    answered_at: datetime | None = None
    #: None as long as nobody has answered.
    outcome: Outcome | None = None
    answer: str | None = None


class Bulk(BaseModel):
    """The same about several jobs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"action": "recheck", "job_ids": ["1234", "1235"]}]},
    )

    action: Action
    job_ids: list[Annotated[str, Field(min_length=1, max_length=MOST_ID_CHARS)]] = Field(
        min_length=1, max_length=MOST_JOBS
    )


class Orphans(BaseModel):
    """Files, by the ids that the list of orphans tells."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"ids": ["0123456789abcdef0123456789abcdef"]}]},
    )

    ids: list[Annotated[str, Field(pattern="^[0-9a-f]{32}$")]] = Field(
        min_length=1, max_length=MOST_JOBS
    )
    #: False: they are shown again.
    forgotten: bool = True


class Forgotten(BaseModel):
    """Those that are orphans."""

    ids: list[str]


class BulkAsked(BaseModel):
    """One answer for each job, in the order in which they were named."""

    requests: list[Asked]


@router.post("/jobs/bulk", status_code=202, summary="Ask for the same about several jobs")
def ask_bulk(context: Context, caller: Operator, bulk: Bulk, wait_s: WaitS = 0) -> BulkAsked:
    """Each job is asked about by itself: what is refused for one is no matter of the others."""
    found = _ask(context, bulk.action, bulk.job_ids, caller.name, wait_s)
    return BulkAsked(requests=[found[job_id] for job_id in dict.fromkeys(bulk.job_ids)])


@router.post("/jobs/{job_id:path}/{action}", status_code=202, summary="Ask for something")
def ask(
    *,
    context: Context,
    caller: Operator,
    response: Response,
    job_id: JobId,
    action: Action,
    wait_s: WaitS = 0,
) -> Asked:
    """Cancel a job, forget it, look at it again, or accept it as it is.

    The agent that reconciles the job's server carries it out, mostly within a second; who asks
    twice before that asks once.
    """
    asked = _ask(context, action, [job_id], caller.name, wait_s)[job_id]
    if asked.id is None:
        raise HTTPException(404, asked.answer)
    response.headers["Location"] = f"/api/v1/requests/{asked.id}"
    return asked


@router.get("/jobs/{job_id:path}/requests", summary="What was asked about a job")
def of_job(context: Context, caller: Reader, job_id: JobId) -> list[Asked]:
    """Oldest first."""
    with context.stores.one() as store:
        if not store.views.known([job_id]):
            raise HTTPException(404, f"there is no job {job_id!r}")
        return [_shown(request) for request in store.requests.of_job(job_id)]


@router.post("/orphans/forget", summary="Show orphans no longer, or again")
def forget_orphans(context: Context, caller: Operator, files: Orphans) -> Forgotten:
    """Files stay where they are, and nothing else is said of them. One that is written anew is
    shown again. What is no orphan, or is not known, is left out of the answer."""
    with context.stores.one() as store:
        found = store.requests.forget_orphans(files.ids, forgotten=files.forgotten)
    return Forgotten(ids=found)


@router.get("/requests/{request_id}", summary="What became of a request")
def one(
    context: Context, caller: Reader, request_id: Annotated[int, Path(ge=1, le=_MOST)]
) -> Asked:
    """As long as nobody has answered it, its outcome is null."""
    with context.stores.one() as store:
        found = store.requests.some([request_id])
    if not found:
        raise HTTPException(404, f"there is no request {request_id}")
    return _shown(found[0])


def _ask(
    context: WebContext, action: Action, job_ids: Sequence[str], asked_by: str, wait_s: float
) -> dict[str, Asked]:
    """What was asked, by job."""
    with context.stores.one() as store:
        known = store.views.known(job_ids)
        requests = store.requests.ask(action, [job for job in job_ids if job in known], asked_by)
    deadline = time.monotonic() + wait_s
    while any(request.outcome is None for request in requests) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        requests = _again(context, requests)
    asked = {request.job_id: _shown(request) for request in requests}
    return {job: asked.get(job) or _unknown(job, action, asked_by) for job in job_ids}


def _again(context: WebContext, requests: Sequence[Request]) -> list[Request]:
    ids = [request.id for request in requests]
    with context.stores.one() as store:
        return store.requests.some(ids)


def _unknown(job_id: str, action: Action, asked_by: str) -> Asked:
    return Asked(
        id=None,
        job_id=job_id,
        action=action,
        asked_by=asked_by,
        asked_at=None,
        outcome=Outcome.REFUSED,
        answer=f"there is no job {job_id!r}",
    )


def _shown(request: Request) -> Asked:
    return Asked(
        id=request.id,
        job_id=request.job_id,
        action=request.action,
        asked_by=request.asked_by,
        asked_at=_time(request.asked_at),
        answered_at=_time(request.answered_at),
        outcome=request.outcome,
        answer=request.answer,
    )


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
