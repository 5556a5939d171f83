"""Jobs in numbers: how many say what, how they ended over a time, how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.jobs import Status
from reconciler.store.connection import Cursor
from reconciler.store.databases import Databases
from reconciler.store.queries import query
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import on_table

#: No statement of these may take longer, in seconds.
STATEMENT_S = 5.0
#: Job types of which is told how long they take.
MOST_TYPES = 20


@dataclass(frozen=True, slots=True)
class Endings:
    """Jobs that ended in one way within one stretch of time."""

    #: When the stretch began, in seconds since the epoch.
    at: float
    status: str
    #: Why they failed; None for those that did not, or by the application's own hand.
    failure: str | None
    number: int


@dataclass(slots=True)
class Stretch:
    """All that ended within one stretch of time."""

    #: When it began, in seconds since the epoch.
    at: float
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    #: The failed ones by reason; those that the application failed by its own hand are in none.
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, endings: Endings) -> None:
        """Counts these in."""
        if endings.status in ("completed", "failed", "cancelled"):
            setattr(self, endings.status, getattr(self, endings.status) + endings.number)
        if endings.failure is not None:
            known = self.failures.get(endings.failure, 0)
            self.failures[endings.failure] = known + endings.number


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """Open jobs of one server that wait for the same, by the rule that says so."""

    status: str
    rule: str | None
    server: str | None
    number: int


@dataclass(frozen=True, slots=True)
class RunTimes:
    """How long prompts ran and waited that succeeded: the middle, and what one in ten exceeds."""

    #: None for all types together, or for jobs without one.
    job_type: str | None
    number: int
    ran_p50_s: float
    ran_p90_s: float
    waited_p50_s: float | None
    waited_p90_s: float | None


class Statistics:
    """Counts. Every method raises DatabaseError, also where it takes longer than `STATEMENT_S`."""

    def __init__(self, databases: Databases, table: JobsTable) -> None:
        self._databases = databases
        self._table = table

    def by_status(self) -> Mapping[str, int]:
        """Rows by status: ours always, and words that the settings do not know if there are any.

        The whole table is read: a second for some million rows.
        """
        with self._databases.rows.transaction() as cursor:
            _hurry(cursor)
            cursor.execute(on_table(self._table, "count_words"))
            rows = cursor.fetchall()
        found = dict.fromkeys((status.value for status in Status), 0)
        for row in rows:
            status = self._table.status_of(row["word"])
            name = str(row["word"]) if status is None else status.value
            found[name] = found.get(name, 0) + row["number"]
        return found

    def endings(self, since: float, bucket_s: float) -> list[Endings]:
        """How jobs ended from `since` on, in stretches of `bucket_s` seconds."""
        rows = self._read("endings", since=since, bucket_s=bucket_s)
        return [Endings(**row) for row in rows]

    def history(self, since: float, until: float, bucket_s: float) -> list[Stretch]:
        """The same as a series without gaps: a stretch for each `bucket_s` seconds."""
        first, last = since // bucket_s, until // bucket_s
        series = [Stretch(n * bucket_s) for n in range(int(first), int(last) + 1)]
        for one in self.endings(since, bucket_s):
            number = int(one.at // bucket_s - first)
            if number < len(series):
                series[number].add(one)
        return series

    def open(self) -> list[OpenJobs]:
        """Open jobs, by what they wait for."""
        return [OpenJobs(**row) for row in self._read("open_states")]

    def oldest_waiting(self, limit: int) -> list[str]:
        """The ids of the jobs that have been queued for longest."""
        return [row["job_id"] for row in self._read("oldest_waiting", limit=limit)]

    def longest_wait_s(self) -> float | None:
        """How long the first in line has been queued, in seconds; None where nobody is."""
        wait_s: float | None = self._read("longest_wait")[0]["wait_s"]
        return wait_s

    def events_behind(self, position: int) -> tuple[int, float]:
        """How many events came after this one (10,000 at most), and how old the first of them is,
        in seconds."""
        row = self._read("events_behind", position=position)[0]
        return row["number"], row["age_s"] or 0.0

    def run_times(self, since: float) -> list[RunTimes]:
        """Of all prompts that ended from `since` on, and then by job type, the most frequent
        first; empty where none did."""
        rows = self._read("run_times", since=since, limit=1 + MOST_TYPES)
        return [_run_times(row) for row in rows if row["number"]]

    def _read(self, name: str, **values: object) -> list[dict[str, Any]]:
        with self._databases.own.transaction() as cursor:
            _hurry(cursor)
            cursor.execute(query(name), values)
            return cursor.fetchall()


def _hurry(cursor: Cursor) -> None:
    cursor.execute(f"set local statement_timeout = {round(STATEMENT_S * 1000)}")


def _run_times(row: Mapping[str, Any]) -> RunTimes:
    ran: Sequence[float] = row["ran_s"]
    waited: Sequence[float | None] = row["waited_s"] or (None, None)
    return RunTimes(row["job_type"], row["number"], ran[0], ran[1], waited[0], waited[1])
