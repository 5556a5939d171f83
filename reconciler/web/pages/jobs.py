"""All jobs: searched, filtered, sorted, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.core.jobs import FailureCode, Status
from reconciler.store import Store
from reconciler.store.cursors import BadCursor
from reconciler.store.job_filter import Sort
from reconciler.store.views import JobView
from reconciler.web.context import Context
from reconciler.web.pages.job_list import OPEN, PERIODS, ListQuery
from reconciler.web.pages.rendering import render
from reconciler.web.problems import BadParameter
from reconciler.web.security.access import Reader, Role

#: Jobs of a page, and rows that are brought up to date at once.
PAGE, MOST_ROWS = 50, 200

#: What the fields of the search can be set to.
_CHOICES = {
    "statuses": [OPEN, *Status],
    "failures": [*FailureCode],
    "periods": {word: words for word, (_, words) in PERIODS.items()},
}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Heading:
    """A column that the list can be sorted by."""

    words: str
    #: Where its link leads: the other direction, if it is the one that is sorted by.
    address: str
    #: `ascending`, `descending`; None while sorted by another.
    sorted: str | None


@dataclass(frozen=True, slots=True)
class JobListPage:
    """What the page shows."""

    query: ListQuery
    jobs: Sequence[JobView]
    headings: dict[Sort, Heading]
    servers: Sequence[str]
    #: The page that follows; None after the last.
    next: str | None
    may_change: bool


@router.get("/jobs")
def jobs(request: Request, context: Context, caller: Reader) -> HTMLResponse:
    """The list, and what it can be asked for."""
    query = ListQuery.of(request.query_params)
    with context.stores.one() as store:
        view = _page(store, query, caller.role is Role.OPERATOR)
        now = store.jobs.now()
    return render(request, "jobs.html", now=now, view=view, choices=_CHOICES)


@router.get("/ui/jobs/rows")
def rows(
    request: Request,
    context: Context,
    caller: Reader,
    job: Annotated[list[str], Query(max_length=MOST_ROWS)],
) -> HTMLResponse:
    """These jobs as rows of the list: a page that is open brings up to date what it shows."""
    with context.stores.one() as store:
        found = store.views.some(job)
        now = store.jobs.now()
    may_change = caller.role is Role.OPERATOR
    return render(request, "job_rows.html", now=now, jobs=found, may_change=may_change)


def _page(store: Store, query: ListQuery, may_change: bool) -> JobListPage:
    job_filter = query.job_filter()
    sort = Sort(query.sort) if query.sort else store.pages.sort_for(job_filter)
    try:
        page = store.pages.page(
            job_filter,
            sort=sort,
            descending=query.is_descending,
            limit=PAGE,
            cursor=query.cursor or None,
        )
    except BadCursor as error:
        raise BadParameter("cursor", f"{error}: begin at the first page") from error
    return JobListPage(
        query,
        page.jobs,
        {by: _heading(by, sort, query) for by in store.pages.sorts},
        [server.name for server in store.servers.all()],
        query.address(cursor=page.next) if page.next else None,
        may_change,
    )


def _heading(by: Sort, sort: Sort, query: ListQuery) -> Heading:
    words = {
        Sort.CREATED: "Created",
        Sort.UPDATED: "Changed",
        Sort.STATUS: "Status",
        Sort.ID: "Job",
    }
    is_sorted = by is sort
    order = "asc" if is_sorted and query.is_descending else "desc"
    told = ("descending" if query.is_descending else "ascending") if is_sorted else None
    return Heading(words[by], query.address(sort=by.value, order=order), told)
