"""Jobs as people look at them: read only, for the commands that show and explain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from reconciler.core.jobs import FailureCode, Status
from reconciler.errors import DatabaseError
from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.records import PromptRecord
from reconciler.store.rows import prompt_of
from reconciler.store.schema import JobsTable

_COLUMNS = (
    "job_type",
    "frames",
    "progress",
    "output_path",
    "error",
    "created_at",
    "updated_at",
    "completed_at",
)


@dataclass(frozen=True, slots=True)
class JobView:
    """One row with what we know of it. Times: seconds since the epoch, the database's clock.

    What the reconciler has not seen yet, or the table has no column for, is None.
    """

    id: str
    #: As the row says it: an application may use words that are none of ours.
    status: str
    prompt_id: str | None
    job_type: str | None
    frames: int | None
    progress: int | None
    output_path: str | None
    error: str | None
    created_at: float | None
    updated_at: float | None
    completed_at: float | None
    attempt: int | None
    opened_at: float | None
    failure: FailureCode | None
    stage: str | None
    server: str | None
    queue_position: int | None
    eta_s: float | None
    rule: str | None
    #: Why it is as it is, in one sentence.
    reason: str | None
    #: When its last status was decided.
    decided_at: float | None
    #: The row is overwritten again and again, so it is left alone.
    left_alone: bool = False

    @property
    def is_open(self) -> bool:
        """True while the job is queued or processing."""
        return self.status in (Status.QUEUED.value, Status.PROCESSING.value)

    @property
    def warned(self) -> bool:
        """Completed, though something should be known of it: the reason says what."""
        told = (
            self.rule == "unjudged"
            or (self.error or "").startswith("warning: ")
            # A late success, in a table without a column of errors.
            or (self.rule == "late_success" and ": warning: " in (self.reason or ""))
        )
        return told and self.status == Status.COMPLETED.value


class JobViews:
    """Reads jobs for people. Every method raises DatabaseError."""

    def __init__(self, connection: Connection, table: JobsTable) -> None:
        self._connection = connection
        self._table = table

    def require_prepared(self) -> None:
        """Raises DatabaseError where no service has ever run on this database."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("is_prepared"))
            row = cursor.fetchone()
        if row is None or not row["prepared"]:
            raise DatabaseError(
                "no reconciler has run on this database yet: it has no schema `reconciler`."
                " Start the service (`reconciler run`), or look once (`reconciler once`)"
            )

    def listing(self, limit: int | None) -> list[JobView]:
        """Jobs, at most `limit` (None: all): open ones first, then the newest."""
        return self._select(sql.SQL(""), {"limit": limit})

    def count(self) -> int:
        """How many rows the table has."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("count_jobs", jobs=self._table.identifier))
            row = cursor.fetchone()
        return 0 if row is None else int(row["number"])

    def one(self, job_id: str) -> JobView | None:
        """The job with this key; None if there is none, or the text can be no key."""
        where = sql.SQL("where j.id = %(job_id)s::{}").format(self._table.id_type)
        try:
            found = self._select(where, {"job_id": clean_text(job_id, 200), "limit": 1})
        except DatabaseError as error:
            if isinstance(error.__cause__, psycopg2.DataError):  # no number, no UUID
                return None
            raise
        return found[0] if found else None

    def known(self, job_ids: Collection[str]) -> dict[str, float | None]:
        """Which of these texts are keys of rows, and when what we know of them began."""
        statement = query("known_jobs", jobs=self._table.identifier)
        wanted = [clean_text(job_id, 200) for job_id in job_ids]
        with self._connection.transaction() as cursor:
            cursor.execute(statement, {"job_ids": wanted})
            return {row["id"]: row["opened_at"] for row in cursor.fetchall()}

    def prompts(self, job_id: str) -> list[PromptRecord]:
        """The prompts of a job, in the order in which they were first seen."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("prompts_of"), {"job_ids": [job_id]})
            return [prompt_of(row) for row in cursor.fetchall()]

    def _select(self, where: sql.Composable, values: Mapping[str, Any]) -> list[JobView]:
        statement = query(
            "view_jobs",
            jobs=self._table.identifier,
            where=where,
            **{name: self._table.column(name) for name in _COLUMNS},
        )
        with self._connection.transaction() as cursor:
            cursor.execute(statement, values)
            return [_view(row) for row in cursor.fetchall()]


def _view(row: Mapping[str, Any]) -> JobView:
    failure = FailureCode(row["failure"]) if row["failure"] else None
    progress = row["row_progress"] if row["progress"] is None else row["progress"]
    plain = {
        name: row[name]
        for name in JobView.__slots__
        if name not in ("failure", "progress", "reason", "left_alone")
    }
    return JobView(
        **plain,
        failure=failure,
        progress=progress,
        reason=_reason(row),
        left_alone=(row["overwritten"] or 0) > 2,
    )


def _reason(row: Mapping[str, Any]) -> str | None:
    """Open: what was found last. Final: the verdict as the story tells it, or the row's error.

    The state of a verdict that merely stands says only that it does; an application's own failure
    is explained by the application, if by anyone.
    """
    is_open = row["status"] in (Status.QUEUED.value, Status.PROCESSING.value)
    error: str | None = row["error"]
    told: str | None = row["last_words"]
    if row["known_status"] != row["status"]:  # not seen yet
        return None if is_open else error
    if is_open:
        return row["reason"] or told
    is_theirs = row["status"] == Status.FAILED.value and row["failure"] is None
    return (error if is_theirs else None) or told or error
