"""Jobs: lists of them, one, its story and its files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from reconciler.core.jobs import FailureCode, Status
from reconciler.store import Store
from reconciler.store.file_pages import NamedOutput
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.views import JobView
from reconciler.web.api.asking import JobId, Name, PageAsked, PageQuery, job_of
from reconciler.web.api.models.base import PageOf
from reconciler.web.api.models.files import Output
from reconciler.web.api.models.jobs import Event, Job, JobDetails
from reconciler.web.context import Context
from reconciler.web.security.access import Reader
from reconciler.words import as_json
from reconciler.words.expected import expectations

router = APIRouter(prefix="/api/v1", tags=["jobs"])

#: Values of one parameter that may be named several times.
MOST_VALUES = 50
#: Files that the answer about a job has; the rest is in the list of its outputs.
MOST_OUTPUTS = 500

Names = Annotated[list[Name], Field(max_length=MOST_VALUES)]


class JobsAsked(PageAsked):
    """Which jobs. A parameter that is named several times: any of these."""

    status: list[Status] = Field([], max_length=MOST_VALUES, examples=[["queued", "processing"]])
    server: Names = Field([], description="As the settings call it.", examples=[["gpu1"]])
    type: Names = Field([], description="The row's job type.", examples=[["video"]])
    failure: list[FailureCode] = Field([], max_length=MOST_VALUES, examples=[["lost"]])
    created_after: datetime | None = Field(None, description="Made then or later.")
    created_before: datetime | None = Field(None, description="Made earlier than that.")
    ended_after: datetime | None = Field(None, description="Ended then or later.")
    ended_before: datetime | None = Field(None, description="Ended earlier than that.")
    q: Name | None = Field(
        None,
        description="Stands in its id, prompt id, type, error or output path.",
        examples=["film"],
    )
    sort: Sort | None = Field(
        None,
        description="By default `created`; `updated` where a server, a failure or the time of the"
        " end is asked for. In `updated` jobs that reconciler has never seen come last.",
    )
    order: Literal["asc", "desc"] = "desc"

    def job_filter(self) -> JobFilter:
        """The same for the store."""
        return JobFilter(
            statuses=frozenset(self.status),
            servers=frozenset(self.server),
            job_types=frozenset(self.type),
            failures=frozenset(self.failure),
            created_after=epoch(self.created_after),
            created_before=epoch(self.created_before),
            ended_after=epoch(self.ended_after),
            ended_before=epoch(self.ended_before),
            text=self.q,
        )


@router.get("/jobs", summary="Jobs, page by page")
def jobs(context: Context, caller: Reader, asked: Annotated[JobsAsked, Query()]) -> PageOf[Job]:
    """The newest first, unless another order is asked for.

    Pages follow each other without a gap and without a repetition while rows arrive. Times are ISO
    8601; one without a zone is in UTC.
    """
    with context.stores.one() as store:
        page = store.pages.page(
            asked.job_filter(),
            sort=asked.sort,
            descending=asked.order == "desc",
            limit=asked.limit,
            cursor=asked.cursor,
        )
        now = store.jobs.now()
    return PageOf(items=[Job.of(as_json.job(view, now)) for view in page.jobs], next=page.next)


@router.get("/jobs/{job_id:path}/events", summary="A job's story")
def events(context: Context, caller: Reader, job_id: JobId, asked: PageQuery) -> PageOf[Event]:
    """Each change with its reason and its evidence, oldest first."""
    with context.stores.one() as store:
        view = job_of(store, job_id)
        page = store.lists.events(view.id, asked.limit, asked.cursor)
    return PageOf(items=[Event.of(as_json.event(one)) for one in page.items], next=page.next)


@router.get("/jobs/{job_id:path}/outputs", summary="A job's files")
def outputs(context: Context, caller: Reader, job_id: JobId, asked: PageQuery) -> PageOf[Output]:
    """Each with what its inspection found, by their paths."""
    with context.stores.one() as store:
        view = job_of(store, job_id)
        page = store.lists.of_job(view.id, asked.limit, asked.cursor)
    return PageOf(items=[output_of(one) for one in page.items], next=page.next)


@router.get("/jobs/{job_id:path}", summary="All that is known of a job")
def job(context: Context, caller: Reader, job_id: JobId) -> JobDetails:
    """The row, its prompts, and its files."""
    with context.stores.one() as store:
        return details_of(store, job_of(store, job_id))


def output_of(named: NamedOutput) -> Output:
    """A file as an answer."""
    ids = {"id": named.id, "job_id": named.output.job_id}
    return Output.of(ids | as_json.output(named.output))


def details_of(store: Store, view: JobView) -> JobDetails:
    """All that is known of a job, as an answer. Raises DatabaseError."""
    server = next((one for one in store.servers.all() if one.name == view.server), None)
    files = store.lists.of_job(view.id, MOST_OUTPUTS, None)
    return JobDetails.of(
        {
            **as_json.job(view, store.jobs.now()),
            "expected": as_json.expected(expectations(view, store.jobs.story(view.id))),
            "prompts": [as_json.prompt(prompt) for prompt in store.views.prompts(view.id)],
            "outputs": [output_of(one).model_dump() for one in files.items],
            "server_seen": None if server is None else as_json.server(server),
        }
    )


def epoch(instant: datetime | None) -> float | None:
    """Seconds since the epoch; a time without a zone is in UTC."""
    if instant is None:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
