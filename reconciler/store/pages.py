"""Jobs page by page: filtered, sorted, and bounded however many there are.

A list is read in windows of some rows in the order of the sort. Each ends by itself, however few of
its rows are wanted, and when `SCAN_S` are over the page is given as far as it came: it may have
fewer jobs than were asked for, and a cursor to go on from. Rows that arrive meanwhile change
nothing of the pages that follow: each begins behind the last row of the one before.

Rows and what we know of them are joined here, since they may lie in different databases.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg2

from reconciler.core.jobs import Status
from reconciler.errors import DatabaseError
from reconciler.store.cursors import BadCursor, Place, decode, encode
from reconciler.store.databases import Databases
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.page_walk import Walk
from reconciler.store.table import JobsTable
from reconciler.store.views import JobView, JobViews, order

#: A page is looked for no longer, in seconds; and no statement of it may take longer.
SCAN_S, STATEMENT_S = 1.5, 5.0
_OPEN = frozenset({Status.QUEUED, Status.PROCESSING})


class NoSuchSort(Exception):
    """The table has nothing that could be sorted by."""


class PageTimeout(DatabaseError):
    """A page took too long: an index is missing, or the database is busy."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, and where the next ones begin: None after the last."""

    jobs: list[JobView]
    next: str | None


class JobPages:
    """Reads jobs page by page. Methods raise DatabaseError."""

    def __init__(self, databases: Databases, table: JobsTable, views: JobViews) -> None:
        self._databases = databases
        self._table = table
        self._views = views

    @property
    def sorts(self) -> list[Sort]:
        """What this table can be sorted by."""
        return [s for s in Sort if s is not Sort.CREATED or self._table.has("created_at")]

    def sort_for(self, job_filter: JobFilter) -> Sort:
        """The sort that serves a filter best, where nobody asks for one."""
        if job_filter.asks_our_tables or Sort.CREATED not in self.sorts:
            return Sort.UPDATED
        return Sort.CREATED

    def listing(self, limit: int | None) -> list[JobView]:
        """Jobs, at most `limit` (None: all): those that run, then those that wait, in the order of
        the queue, then the newest."""
        if limit is None:
            return self._views.all()
        newest = self.page(JobFilter(), limit=limit).jobs
        open_ones = self.page(JobFilter(statuses=_OPEN), sort=Sort.STATUS, limit=limit).jobs
        found = [*newest, *open_ones, *self._views.next_in_queue(limit)]
        return sorted({view.id: view for view in found}.values(), key=order)[:limit]

    def page(
        self,
        job_filter: JobFilter,
        *,
        sort: Sort | None = None,
        descending: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """At most `limit` jobs, from where `cursor` says. `sort`: `sort_for` if None.

        Raises BadCursor; NoSuchSort; PageTimeout where one statement takes longer than
        `STATEMENT_S`.
        """
        sort = self.sort_for(job_filter) if sort is None else sort
        if sort not in self.sorts:
            raise NoSuchSort(f"{self._table.shown} has no column that tells when a row was made")
        direction = f"{sort} {'desc' if descending else 'asc'}"
        begin = None if cursor is None else decode(direction, cursor)
        try:
            return self._page(
                Walk(self._table, job_filter, sort, descending, limit), begin, direction
            )
        except DatabaseError as error:
            if cursor is not None and isinstance(error.__cause__, psycopg2.DataError):
                raise BadCursor from error
            if isinstance(error.__cause__, psycopg2.errors.QueryCanceled):
                raise PageTimeout(_advice(self._table, sort)) from error
            raise

    def _page(self, walk: Walk, begin: Place | None, direction: str) -> JobPage:
        rows: dict[str, Any] = {}
        known: dict[str, Any] = {}
        ends_s, limit = time.monotonic() + SCAN_S, walk.limit
        last: Place | None = None
        with self._databases.snapshot() as (own, jobs):
            for cursor in {own, jobs}:
                cursor.execute(f"set local statement_timeout = {round(STATEMENT_S * 1000)}")
            for found in walk.from_place(own, jobs, begin):
                if found.wanted:
                    if len(rows) == limit:
                        break
                    rows[found.row["job_id"]] = found.row
                    known[found.row["job_id"]] = found.state
                last = found.place
                if time.monotonic() > ends_s and not found.wanted:
                    break
            else:
                last = None
            jobs_of_page = self._views.together(own, rows, known)
        return JobPage(jobs_of_page, None if last is None else encode(direction, last))


def _advice(table: JobsTable, sort: Sort) -> str:
    made = table.column("created_at") if sort is Sort.CREATED else None
    index = f": an index on {table.shown} ({made}) would serve it" if made else ""
    return f"this list takes longer than {STATEMENT_S:g} s to read{index}; or ask for less"
