"""For the users of the endpoint that was there before: the same paths, and more in the answers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from reconciler.store.views import JobView
from reconciler.web.api.asking import JobId, job_of
from reconciler.web.api.models.base import Instant, Shape, example
from reconciler.web.context import Context
from reconciler.web.security.access import Reader
from reconciler.words.times import iso

router = APIRouter(prefix="/api/anime", tags=["anime"])


class AnimeJob(Shape):
    """Where a job stands, and what came out."""

    model_config = example(
        id="1234",
        status="processing",
        progress=41,
        output_path=None,
        error=None,
        eta_s=96.0,
        eta_high_s=140.0,
        queue_position=None,
        stage="running",
        failure=None,
        reason="running on gpu1 for 2 min, 41 %",
        warned=False,
        job_type="video",
        server="gpu1",
        prompt_id="6a1f0e5e-5f0b-4b0c-9c58-8a4f7d7c9a10",
        created_at="2026-11-30T22:04:05.120+00:00",
        updated_at="2026-11-30T22:07:35.001+00:00",
        completed_at=None,
    )

    id: str
    status: str = Field(description="queued, processing, completed, failed or cancelled.")
    progress: int = Field(description="Per cent, 0 where nothing is known; 100 for a success only.")
    output_path: str | None
    error: str | None
    eta_s: float | None = Field(description="Seconds that it will still take: the median.")
    eta_high_s: float | None
    queue_position: int | None
    stage: str | None
    failure: str | None
    reason: str | None = Field(description="Why it is as it is, in one sentence.")
    warned: bool
    job_type: str | None
    server: str | None
    prompt_id: str | None
    created_at: Instant | None
    updated_at: Instant | None
    completed_at: Instant | None


@router.get("/jobs/{job_id:path}/status", summary="Where a job stands")
def status(context: Context, caller: Reader, job_id: JobId) -> AnimeJob:
    """The same as without `/status`."""
    return job(context, caller, job_id)


@router.get("/jobs/{job_id:path}", summary="Where a job stands")
def job(context: Context, caller: Reader, job_id: JobId) -> AnimeJob:
    """The status that is true, also where nobody has told the application yet how the job ended."""
    with context.stores.one() as store:
        return _shown(job_of(store, job_id))


def _shown(view: JobView) -> AnimeJob:
    times = ("created_at", "updated_at", "completed_at")
    same = [name for name in AnimeJob.model_fields if name not in times]
    return AnimeJob.of(
        {name: getattr(view, name) for name in same}
        | {"progress": view.progress or 0}
        | {name: iso(getattr(view, name)) for name in times}
    )
