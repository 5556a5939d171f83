"""Jobs as people look at them: read only, for the commands that show and explain."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg2

from reconciler.core.jobs import FailureCode, Status
from reconciler.errors import DatabaseError
from reconciler.store import states
from reconciler.store.clean import clean_text
from reconciler.store.connection import Cursor
from reconciler.store.databases import Databases
from reconciler.store.queries import query
from reconciler.store.records import PromptRecord
from reconciler.store.rows import prompt_of, whole
from reconciler.store.states import UNSEEN
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import Row, TableRows

#: In which order people look at them; all others follow.
_FIRST = (Status.PROCESSING.value, Status.QUEUED.value)


@dataclass(frozen=True, slots=True)
class JobView:
    """One row with what we know of it. Times: seconds since the epoch, the database's clock.

    What the reconciler has not seen yet, or the table has no column for, is None.
    """

    id: str
    #: As the row says it, in our word; an application may use words that the settings do not know.
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
    #: What nine of ten do not exceed; `eta_s` is the median.
    eta_high_s: float | None
    #: Until a waiting prompt begins, as is expected.
    wait_s: float | None
    rule: str | None
    #: Why it is as it is, in one sentence.
    reason: str | None
    #: When its last status was decided.
    decided_at: float | None
    #: The row is overwritten again and again, so it is left alone.
    left_alone: bool = False
    #: The status in the table's own word.
    word: str | None = None

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

    def __init__(self, databases: Databases, table: JobsTable) -> None:
        self._databases = databases
        self._own = databases.own
        self._table = table
        self._rows = TableRows(table)

    def require_prepared(self) -> None:
        """Raises DatabaseError where no service has ever run on this database."""
        with self._own.transaction() as cursor:
            cursor.execute(query("is_prepared"))
            row = cursor.fetchone()
        if row is None or not row["prepared"]:
            raise DatabaseError(
                "no reconciler has run on this database yet: it has no schema"
                f" `{self._own.own_schema}`. Start the service (`reconciler run`), or look once"
                " (`reconciler once`)"
            )

    def all(self) -> list[JobView]:
        """Every job: open ones first, then the newest."""
        with self._databases.snapshot() as (own, rows):
            return sorted(self._views(own, self._rows.view(rows)), key=order)

    def next_in_queue(self, limit: int) -> list[JobView]:
        """What runs, and what will run first: the queue's order is ours to know."""
        with self._databases.snapshot() as (own, rows):
            own.execute(query("next_in_queue"), {"limit": limit})
            job_ids = [row["job_id"] for row in own.fetchall()]
            return self._views(own, self._rows.view(rows, job_ids=job_ids))

    def count(self) -> int:
        """How many rows the table has."""
        with self._databases.rows.transaction() as cursor:
            return self._rows.count(cursor)

    def one(self, job_id: str) -> JobView | None:
        """The job with this key; None if there is none, or the text can be no key."""
        try:
            with self._databases.snapshot() as (own, rows):
                found = self._rows.view(rows, job_ids=[clean_text(job_id, 200)])
                return next(iter(self._views(own, found)), None)
        except DatabaseError as error:
            if isinstance(error.__cause__, psycopg2.DataError):  # no number, no UUID
                return None
            raise

    def some(self, job_ids: Sequence[str]) -> list[JobView]:
        """The jobs with these keys, as far as there are any."""
        texts = [clean_text(job_id, 200) for job_id in job_ids]
        keys = [text for text in texts if self._table.could_be_key(text)]
        with self._databases.snapshot() as (own, rows):
            return self._views(own, self._rows.view(rows, job_ids=keys))

    def known(self, job_ids: Collection[str]) -> dict[str, float | None]:
        """Which of these texts are keys of rows, and when what we know of them began."""
        with self._databases.snapshot() as (own, rows):
            found = self._rows.known(rows, [clean_text(job_id, 200) for job_id in job_ids])
            known = states.of_jobs(own, found)
        return {job_id: known.get(job_id, UNSEEN)["opened_at"] for job_id in found}

    def prompts(self, job_id: str) -> list[PromptRecord]:
        """The prompts of a job, in the order in which they were first seen."""
        with self._own.transaction() as cursor:
            cursor.execute(query("prompts_of"), {"job_ids": [job_id]})
            return [prompt_of(row) for row in cursor.fetchall()]

    def _views(self, own: Cursor, rows: Mapping[str, Row]) -> list[JobView]:
        return self.together(own, rows, states.of_jobs(own, rows.keys()))

    def together(
        self, own: Cursor, rows: Mapping[str, Row], known: Mapping[str, states.State]
    ) -> list[JobView]:
        """Rows, in their order, with what is known of them."""
        own.execute(query("last_words"), {"job_ids": list(known)})
        words = {row["job_id"]: row["reason"] for row in own.fetchall()}
        return [
            _view({**row, **known.get(job_id, UNSEEN), "last_words": words.get(job_id)}, job_id)
            for job_id, row in rows.items()
        ]


def order(view: JobView) -> tuple[int, float, float]:
    """Where it stands in a list of all: what runs, then the queue, then the newest."""
    place = _FIRST.index(view.status) if view.status in _FIRST else len(_FIRST)
    position = math.inf if view.queue_position is None else view.queue_position
    return place, position, math.inf if view.created_at is None else -view.created_at


def _view(row: Mapping[str, Any], job_id: str) -> JobView:
    known = {name: row[name] for name in JobView.__slots__ if name in row}
    frames = whole(row["frames"])
    return JobView(
        **known
        | {
            "id": job_id,
            "status": row["row_status"] or str(row["row_word"]),
            "word": row["row_word"],
            "prompt_id": row["row_prompt_id"],
            "frames": frames if isinstance(frames, int) else None,
            "created_at": row["opened_at"] if row["created_at"] is None else row["created_at"],
            "failure": FailureCode(row["failure"]) if row["failure"] else None,
            "progress": row["row_progress"] if row["progress"] is None else row["progress"],
            "reason": _reason(row),
            "left_alone": (row["overwritten"] or 0) > 2,
        }
    )


def _reason(row: Mapping[str, Any]) -> str | None:
    """Open: what was found last. Final: the verdict as the story tells it, or the row's error.

    The state of a verdict that merely stands says only that it does; an application's own failure
    is explained by the application, if by anyone.
    """
    is_open = row["row_status"] in (Status.QUEUED.value, Status.PROCESSING.value)
    error: str | None = row["error"]
    told: str | None = row["last_words"]
    if row["known_status"] != (row["row_status"] or row["row_word"]):  # not seen yet
        return None if is_open else error
    if is_open:
        return row["reason"] or told
    is_theirs = row["row_status"] == Status.FAILED.value and row["failure"] is None
    return (error if is_theirs else None) or told or error
