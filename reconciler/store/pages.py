"""Jobs page by page: filtered, sorted, and bounded however many there are.

A list is read in windows of some rows in the order of the sort. Each ends by itself, however few of
its rows are wanted, and when `SCAN_S` are over the page is given as far as it came: it may have
fewer jobs than were asked for, and a cursor to go on from. Rows that arrive meanwhile change
nothing of the pages that follow: each begins behind the last row of the one before.

Rows and what we know of them are joined here, since they may lie in different databases.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from reconciler.errors import DatabaseError
from reconciler.store import states
from reconciler.store.clean import clean_text
from reconciler.store.connection import Cursor
from reconciler.store.cursors import BadCursor, Place, decode, encode
from reconciler.store.databases import Databases
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.page_conditions import Condition, of_text, of_type
from reconciler.store.page_parts import Part, parts_of, read_rows, read_states
from reconciler.store.queries import query
from reconciler.store.states import UNSEEN
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import TableRows, on_table
from reconciler.store.views import JobView, JobViews

#: A page is looked for no longer, in seconds; and no statement of it may take longer.
SCAN_S, STATEMENT_S = 1.5, 5.0
#: Rows of the first window and of the largest.
FIRST_WINDOW, LAST_WINDOW = 100, 5_000


class NoSuchSort(Exception):
    """The table has nothing that could be sorted by."""


class PageTimeout(DatabaseError):
    """A page took too long: an index is missing, or the database is busy."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, and where the next ones begin: None after the last."""

    jobs: list[JobView]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Found:
    """A job that is wanted, or the last one of a window; and where it stands."""

    place: Place
    row: Mapping[str, Any]
    state: Mapping[str, Any]
    wanted: bool


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
        order = f"{sort} {'desc' if descending else 'asc'}"
        begin = None if cursor is None else decode(order, cursor)
        try:
            return self._page(_Walk(self._table, job_filter, sort, descending, limit), begin, order)
        except DatabaseError as error:
            if cursor is not None and isinstance(error.__cause__, psycopg2.DataError):
                raise BadCursor from error
            if isinstance(error.__cause__, psycopg2.errors.QueryCanceled):
                raise PageTimeout(_advice(self._table, sort)) from error
            raise

    def _page(self, walk: _Walk, begin: Place | None, order: str) -> JobPage:
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
        return JobPage(jobs_of_page, None if last is None else encode(order, last))


class _Walk:
    """Goes through a list, window by window."""

    def __init__(
        self, table: JobsTable, job_filter: JobFilter, sort: Sort, descending: bool, limit: int
    ) -> None:
        self._table = table
        self._rows = TableRows(table)
        self._filter = job_filter
        self._sort = sort
        self._descending = descending
        self.limit = limit

    def from_place(self, own: Cursor, jobs: Cursor, begin: Place | None) -> Iterator[_Found]:
        """The jobs behind a place that are wanted, and the last of each window."""
        wanted = of_type(self._table, self._filter) & self._text(own)
        if self._sort is Sort.UPDATED:
            yield from self._by_states(own, jobs, wanted, begin)
            return
        parts = parts_of(self._table, self._filter, self._sort, self._descending)
        if begin is not None:
            numbers = [part.number for part in parts]
            if begin.part not in numbers:
                raise BadCursor
            parts = parts[numbers.index(begin.part) :]
        for part in parts:
            yield from self._by_rows(own, jobs, part, wanted, begin)
            begin = None

    def _text(self, own: Cursor) -> Condition:
        if not self._filter.text:
            return Condition()
        text = clean_text(self._filter.text, 200)
        own.execute(query("jobs_of_prompt"), {"prompt_id": text})
        return of_text(self._table, text, [row["job_id"] for row in own.fetchall()])

    def _by_rows(
        self, own: Cursor, jobs: Cursor, part: Part, wanted: Condition, place: Place | None
    ) -> Iterator[_Found]:
        for window in self._windows():
            rows = read_rows(
                jobs,
                self._table,
                part,
                fields=self._rows.view_fields,
                wanted=wanted,
                after=place,
                window=window,
            )
            known = states.of_jobs(own, [row["job_id"] for row in rows if row["wanted"]])
            for row in rows:
                place = Place(part.number, row["value"], row["job_id"])
                state = known.get(row["job_id"], UNSEEN)
                yield self._found(place, self._rows.understood(row), state, row["wanted"])
            if not rows or rows[-1]["number"] < window:
                return

    def _by_states(
        self, own: Cursor, jobs: Cursor, wanted: Condition, place: Place | None
    ) -> Iterator[_Found]:
        for window in self._windows():
            known = read_states(own, self._filter, self._descending, place, window)
            rows = self._rows_of(jobs, [s["job_id"] for s in known if s["wanted"]], wanted)
            for state in known:
                place = Place(0, state["value"], state["job_id"])
                row = rows.get(state["job_id"])
                if row is None:
                    yield _Found(place, {}, state, wanted=False)
                else:
                    yield self._found(place, row, state, state["wanted"])
            if not known or known[-1]["number"] < window:
                return

    def _rows_of(self, jobs: Cursor, job_ids: list[str], wanted: Condition) -> dict[str, Any]:
        keys = [job_id for job_id in job_ids if self._table.could_be_key(job_id)]
        if not keys:
            return {}
        fields = self._rows.view_fields
        statement = on_table(self._table, "rows_wanted", fields=fields, wanted=wanted.text)
        jobs.execute(statement, {**wanted.values, "job_ids": keys})
        return {row["job_id"]: self._rows.understood(row) for row in jobs.fetchall()}

    def _found(
        self, place: Place, row: Mapping[str, Any], state: Mapping[str, Any], wanted: bool | None
    ) -> _Found:
        return _Found(place, row, state, bool(wanted) and self._filter.admits(row, state))

    def _windows(self) -> Iterator[int]:
        window = min(max(self.limit + 1, FIRST_WINDOW), LAST_WINDOW)
        while True:
            yield window
            window = min(window * 4, LAST_WINDOW)


def _advice(table: JobsTable, sort: Sort) -> str:
    made = table.column("created_at") if sort is Sort.CREATED else None
    index = f": an index on {table.shown} ({made}) would serve it" if made else ""
    return f"this list takes longer than {STATEMENT_S:g} s to read{index}; or ask for less"
