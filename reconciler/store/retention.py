"""What may go from Postgres, and its going: small batches, each a transaction of its own.

Every method raises DatabaseError. Nothing of an open job is ever deleted: jobs are looked at once
more, under a lock, in the statement that deletes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2

from reconciler.core.jobs import Status
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.spaces import path_of
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import TableRows

_OPEN = (Status.QUEUED.value, Status.PROCESSING.value)


@dataclass(frozen=True, slots=True)
class OldEvent:
    """An event, and whether it may go: it is `old`, and its job `ended` before the cutoff."""

    id: int
    job_id: str
    old: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class OldOutput:
    """A file that was inspected before the cutoff."""

    #: As the database calls it (`store.spaces`).
    key: bytes
    inspected_at: datetime
    job_id: str | None

    @property
    def path(self) -> Path:
        """On its server's host."""
        return path_of(self.key)


@dataclass(frozen=True, slots=True)
class EndedPrompt:
    """A prompt whose job ended before the cutoff, and the status that its row should have."""

    prompt_id: str
    job_id: str
    status: str


class RetentionStore:
    """Reads and deletes on behalf of `reconciler.retention`."""

    def __init__(self, own: Connection, rows: Connection, table: JobsTable) -> None:
        """`own`: where our tables are; `rows`: where the jobs table is, mostly the same."""
        self._connection = own
        self._rows_connection = rows
        self._table_rows = TableRows(table)

    def before(self, days: float) -> datetime:
        """The instant so many days ago, by the database's clock."""
        found = self._one("age_cutoff", {"days": days})
        assert found is not None
        return found

    def beyond(self, what: str, count: int, server: str | None = None) -> datetime | None:
        """Right after the newest of those that are beyond `count` `what`; None if none are."""
        return self._one(f"count_cutoff_{what}", {"count": count, "server": server})

    def events(self, after: int, cutoff: datetime, batch: int) -> list[OldEvent]:
        """The next events in the order of their ids."""
        rows = self._rows("old_events", {"after": after, "cutoff": cutoff, "batch": batch})
        return [OldEvent(**row) for row in rows]

    def delete_events(self, events: Collection[OldEvent]) -> int:
        """How many of these went."""
        values = {"ids": [e.id for e in events], "job_ids": list({e.job_id for e in events})}
        with self._connection.writing() as cursor:
            cursor.execute(query("allow_deletes"))
            cursor.execute(query("delete_events"), values)
            return cursor.rowcount

    def jobs(
        self, after: tuple[datetime, str] | None, cutoff: datetime, batch: int
    ) -> list[tuple[datetime, str]]:
        """The next final jobs: when they ended, and their ids."""
        at, job_id = after or (None, None)
        values = {"after": at, "after_id": job_id, "cutoff": cutoff, "batch": batch}
        return [(row["decided_at"], row["job_id"]) for row in self._rows("old_jobs", values)]

    def delete_jobs(self, job_ids: Collection[str], cutoff: datetime) -> int:
        """Deletes what we know of jobs, their stories and files apart."""
        values = {"job_ids": list(job_ids), "cutoff": cutoff}
        with self._connection.writing() as cursor:
            cursor.execute(query("delete_states"), values)
            gone = [row["job_id"] for row in cursor.fetchall()]
            cursor.execute(query("delete_requests"), {"job_ids": gone})
            cursor.execute(query("delete_prompts"), {"job_ids": gone})
            prompt_ids = [row["prompt_id"] for row in cursor.fetchall()]
            cursor.execute(query("delete_listings"), {"prompt_ids": prompt_ids})
        return len(gone)

    def delete_strays(self, cutoff: datetime, batch: int) -> int:
        """Deletes requests about rows of which nothing is known."""
        with self._connection.writing() as cursor:
            cursor.execute(query("delete_strays"), {"cutoff": cutoff, "batch": batch})
            return cursor.rowcount

    def delete_runs(self, cutoff: datetime, batch: int) -> int:
        """How many runs went."""
        with self._connection.writing() as cursor:
            cursor.execute(query("delete_runs"), {"cutoff": cutoff, "batch": batch})
            return cursor.rowcount

    def drop_thumbnails(self, cutoff: datetime, batch: int) -> int:
        """How many outputs lost their pictures."""
        with self._connection.writing() as cursor:
            cursor.execute(query("drop_thumbnails"), {"cutoff": cutoff, "batch": batch})
            return cursor.rowcount

    def delete_deliveries(self, cutoff: datetime, batch: int) -> int:
        """Deletes the oldest deliveries that are over."""
        with self._connection.writing() as cursor:
            cursor.execute(query("delete_deliveries"), {"cutoff": cutoff, "batch": batch})
            return cursor.rowcount

    def outputs(
        self, server: str, after: OldOutput | None, cutoff: datetime, batch: int
    ) -> list[OldOutput]:
        """The next files of a server, in the order in which they were inspected."""
        values = {
            "server": server,
            "after": None if after is None else after.inspected_at,
            "after_path": None if after is None else psycopg2.Binary(after.key),
            "cutoff": cutoff,
            "batch": batch,
        }
        return [
            OldOutput(bytes(row["path"]), row["inspected_at"], row["job_id"])
            for row in self._rows("old_outputs", values)
        ]

    def delete_outputs(self, keys: Collection[bytes], cutoff: datetime) -> int:
        """Forgets files."""
        paths = [psycopg2.Binary(key) for key in keys]
        with self._connection.writing() as cursor:
            cursor.execute(query("delete_outputs"), {"paths": paths, "cutoff": cutoff})
            row = cursor.fetchone()
        return 0 if row is None else int(row["number"])

    def ended_prompts(self, prompt_ids: Collection[str], cutoff: datetime) -> list[EndedPrompt]:
        """Those of the prompts whose jobs ended before the cutoff."""
        values = {"prompt_ids": list(prompt_ids), "cutoff": cutoff}
        rows = self._rows("ended_prompts", values)
        return [EndedPrompt(row["prompt_id"], row["job_id"], row["known_status"]) for row in rows]

    def open_among(self, job_ids: Collection[str]) -> set[str]:
        """Jobs whose rows are open, whatever we think of them: nothing of theirs may go."""
        return {job_id for job_id, status in self.statuses(job_ids).items() if status in _OPEN}

    def statuses(self, job_ids: Collection[str]) -> Mapping[str, str | None]:
        """What the rows of these jobs say: None in words that are none of ours. Of those that are
        there no more, nothing."""
        with self._rows_connection.transaction() as cursor:
            rows = self._table_rows.by_id(cursor, job_ids)
        return {job_id: row["row_status"] for job_id, row in rows.items()}

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchall()

    def _one(self, name: str, values: Mapping[str, Any]) -> datetime | None:
        rows = self._rows(name, values)
        return rows[0]["cutoff"] if rows else None
