"""The way through a list of jobs, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.store import states
from reconciler.store.clean import clean_text
from reconciler.store.connection import Cursor
from reconciler.store.cursors import BadCursor, Place
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.page_conditions import Condition, of_text, of_type
from reconciler.store.page_parts import STATES, Part, parts_of, read_rows, read_states
from reconciler.store.queries import query
from reconciler.store.states import UNSEEN
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import TableRows, on_table

#: Rows of the first window and of the largest.
FIRST_WINDOW, LAST_WINDOW = 100, 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """A job that is wanted, or the last one of a window; and where it stands."""

    place: Place
    row: Mapping[str, Any]
    state: Mapping[str, Any]
    wanted: bool


class Walk:
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

    def from_place(self, own: Cursor, jobs: Cursor, begin: Place | None) -> Iterator[Found]:
        """The jobs behind a place that are wanted, and the last of each window."""
        wanted = of_type(self._table, self._filter) & self._text(own)
        if self._sort is Sort.UPDATED and (begin is None or begin.part == STATES):
            yield from self._by_states(own, jobs, wanted, begin)
            begin = None
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
    ) -> Iterator[Found]:
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
                was_there = self._sort is Sort.UPDATED and row["job_id"] in known
                wanted_here = row["wanted"] and not was_there
                yield self._found(place, self._rows.understood(row), state, wanted_here)
            if not rows or rows[-1]["number"] < window:
                return

    def _by_states(
        self, own: Cursor, jobs: Cursor, wanted: Condition, place: Place | None
    ) -> Iterator[Found]:
        for window in self._windows():
            known = read_states(own, self._filter, self._descending, place, window)
            rows = self._rows_of(jobs, [s["job_id"] for s in known if s["wanted"]], wanted)
            for state in known:
                place = Place(STATES, state["value"], state["job_id"])
                row = rows.get(state["job_id"])
                if row is None:
                    yield Found(place, {}, state, wanted=False)
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
    ) -> Found:
        return Found(place, row, state, bool(wanted) and self._filter.admits(row, state))

    def _windows(self) -> Iterator[int]:
        window = min(max(self.limit + 1, FIRST_WINDOW), LAST_WINDOW)
        while True:
            yield window
            window = min(window * 4, LAST_WINDOW)
