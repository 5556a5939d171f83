"""The jobs table and our state of each job: reading, linking, and writing by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json, execute_batch

from reconciler.core.expecting import COLUMNS
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.store.clean import clean_json, clean_text
from reconciler.store.connection import Connection, Cursor
from reconciler.store.queries import query
from reconciler.store.records import (
    Event,
    JobRecord,
    PromptRecord,
    RowChange,
    StoryEvent,
    ending_to_json,
)
from reconciler.store.rows import job_of, prompt_of, story_event_of
from reconciler.store.schema import JobsTable

_WORDS = frozenset(status.value for status in Status)
_REVOCABLE = [code.value for code in FailureCode if not code.is_permanent]


class JobStore:
    """Jobs in Postgres. Every method is one transaction and raises DatabaseError."""

    def __init__(self, connection: Connection, table: JobsTable) -> None:
        self._connection = connection
        self._table = table

    def now(self) -> float:
        """Seconds since the epoch by the database's clock."""
        with self._connection.transaction() as cursor:
            cursor.execute("select extract(epoch from clock_timestamp())::float8 as now")
            return float(_one(cursor)["now"])

    def open_jobs(self, *, late_s: float) -> list[JobRecord]:
        """Rows that a pass has to judge, with their prompts.

        Open rows, rows that somebody else closed since we last looked, and rows that failed less
        than `late_s` seconds ago (0: none) by a verdict that a late success may lift. Open rows
        that are there no more are noted as deleted.
        """
        names = ("job_type", "progress", "created_at", *COLUMNS)
        columns = {n: self._table.column(n) for n in names} | {"audio": self._table.flag("audio")}
        statement = self._of_table("open_jobs", **columns)
        with self._connection.transaction() as cursor:
            cursor.execute(
                self._of_table("note_deleted_rows"), {"reason": "the application deleted the row"}
            )
            for row in cursor.fetchall():
                _notify(cursor, f"event {row['id']}")
            cursor.execute(statement, {"revocable": _REVOCABLE, "late_s": late_s})
            rows = cursor.fetchall()
            default = self._table.default_frames
            known = [row for row in rows if row["row_status"] in _WORDS]
            records = {row["job_id"]: job_of(row, default) for row in known}
            for row in rows:
                if row["row_status"] not in _WORDS:
                    _leave_alone(cursor, row)
            cursor.execute(query("prompts_of"), {"job_ids": list(records)})
            for row in cursor.fetchall():
                records[row["job_id"]].prompts.append(prompt_of(row))
        return list(records.values())

    def see(self, record: JobRecord) -> None:
        """Notes a row that is seen for the first time."""
        job = record.job
        with self._connection.transaction() as cursor:
            cursor.execute(
                query("see_job"),
                {"job_id": job.id, "status": record.row_status, "created_at": job.opened_at},
            )
            if cursor.rowcount:
                _add_event(cursor, job, Event("seen", f"seen first; the row says {job.status}"))

    def reopen(self, record: JobRecord, *, overwritten: int, event: Event) -> bool:
        """Begins a new attempt of a row that was final and is open again."""
        job = record.job
        with self._connection.transaction() as cursor:
            cursor.execute(
                query("reopen_job"),
                {
                    "job_id": job.id,
                    "attempt": job.attempt,
                    "status": record.row_status,
                    "overwritten": overwritten,
                },
            )
            row = cursor.fetchone()
            if row is None:
                return False
            if record.row_prompt_id is not None:
                cursor.execute(
                    query("reattempt_prompt"),
                    {
                        "job_id": job.id,
                        "prompt_id": record.row_prompt_id,
                        "attempt": row["attempt"],
                    },
                )
            _add_event(cursor, job, event, attempt=row["attempt"])
        return True

    def follow(self, record: JobRecord, event: Event) -> None:
        """Notes that somebody else changed the row's status; we follow."""
        values = {
            "job_id": record.job.id,
            "attempt": record.job.attempt,
            "known_status": record.known_status,
            "status": record.row_status,
            "reason": clean_text(event.reason),
        }
        with self._connection.transaction() as cursor:
            cursor.execute(query("note_row_status"), values)
            if cursor.rowcount:
                _add_event(cursor, record.job, event)

    def leave(self, record: JobRecord, *, overwritten: int, event: Event) -> None:
        """Notes that a row is overwritten again and again, and will be left alone."""
        with self._connection.transaction() as cursor:
            values = {"job_id": record.job.id, "overwritten": overwritten}
            cursor.execute(query("note_overwritten"), values)
            if cursor.rowcount:
                _add_event(cursor, record.job, event)

    def link(
        self, job: Job, prompt: PromptRecord, event: Event, *, by_row: bool = False
    ) -> PromptRecord | None:
        """Links a prompt to a job; returns it with what is known of it.

        None if it belongs to another job; one that the job's own row names (`by_row`) only as
        long as that other job is open.
        """
        values = {name: getattr(prompt, name) for name in PromptRecord.__slots__}
        values |= {"client_id": _cleaned(prompt.client_id), "by_row": by_row}
        with self._connection.transaction() as cursor:
            cursor.execute(query("link_prompt"), values)
            if cursor.fetchone() is None:
                return None
            _add_event(cursor, job, event)
            cursor.execute(
                self._of_table("fill_prompt_id"), {"job_id": job.id, "prompt_id": prompt.prompt_id}
            )
            cursor.execute(query("prompts_of"), {"job_ids": [job.id]})
            linked = map(prompt_of, cursor.fetchall())
            return next(p for p in linked if p.prompt_id == prompt.prompt_id)

    def forget_ending(self, prompt: PromptRecord) -> None:
        """The prompt's id is in use again: its ending is that of an earlier run."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("forget_ending"), {"prompt_id": prompt.prompt_id})
            values = {"prompt_id": prompt.prompt_id, "paths": []}
            cursor.execute(query("forget_listings"), values)

    def save_prompts(self, prompts: Iterable[PromptRecord]) -> None:
        """Stores the clocks and endings of prompts."""
        with self._connection.transaction() as cursor:
            for prompt in prompts:
                ending = ending_to_json(prompt.ending)
                values = {name: getattr(prompt, name) for name in PromptRecord.__slots__}
                values["client_id"] = _cleaned(prompt.client_id)
                values["ending"] = None if ending is None else Json(clean_json(ending))
                doing = None if prompt.doing is None else asdict(prompt.doing)
                values["doing"] = None if doing is None else Json(clean_json(doing))
                cursor.execute(query("save_prompt"), values)

    def write(
        self, record: JobRecord, change: RowChange, event: Event | None, *, touch_row: bool = True
    ) -> bool:
        """Writes a decision: row, state and event together, or nothing.

        With `touch_row` False only our own state changes, and the row keeps its `updated_at`.
        False if the row or the attempt is not what the decision was drawn from any more: somebody
        else was faster, and the job is to be looked at again.
        """
        job = record.job
        try:
            with self._connection.transaction() as cursor:
                _set(cursor, query("write_state"), _state(record, change))
                if touch_row:
                    _set(cursor, *self._write_row(record, change))
                if event is not None:
                    _add_event(cursor, job, event)
                else:
                    _notify(cursor, f"job {job.id}")
        except _Changed:
            return False
        return True

    def write_states(self, states: list[tuple[JobRecord, RowChange]]) -> None:
        """Writes what does not touch the rows and is no news: one transaction, one hint."""
        values = [_state(record, change) for record, change in states]
        with self._connection.transaction() as cursor:
            execute_batch(cursor, query("write_state"), values)
            _notify(cursor, f"{len(values)} jobs")

    def add_event(self, job: Job, event: Event) -> None:
        """Adds to the story without changing anything."""
        with self._connection.transaction() as cursor:
            _add_event(cursor, job, event)

    def note(self, job: Job, event: Event) -> None:
        """Adds to the story what it does not say yet, in these words."""
        with self._connection.transaction() as cursor:
            values = {"job_id": job.id, "reason": clean_text(event.reason)}
            cursor.execute(query("is_told"), values)
            if not _one(cursor)["told"]:
                _add_event(cursor, job, event)

    def story(self, job_id: str) -> list[StoryEvent]:
        """All events of a job, oldest first."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("story"), {"job_id": clean_text(job_id, 200)})
            return [story_event_of(row) for row in cursor.fetchall()]

    def _write_row(
        self, record: JobRecord, change: RowChange
    ) -> tuple[sql.Composed, dict[str, object]]:
        values = {
            name: value
            for name, value in _assigned(record, change).items()
            if self._table.has(name)
        }
        assignments = sql.SQL("").join(
            sql.SQL(", {} = {}").format(sql.Identifier(name), value)
            if isinstance(value, sql.SQL)
            else sql.SQL(", {} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            for name, value in values.items()
        )
        return self._of_table("write_row", assignments=assignments), {
            **values,
            "job_id": record.job.id,
            "status": change.status.value,
            "from_status": record.row_status,
            "prompt_id": change.prompt_id,
            "row_prompt_id": record.row_prompt_id,
        }

    def _of_table(self, name: str, **identifiers: sql.Composable) -> sql.Composed:
        """A query about the jobs table."""
        table = self._table
        return query(name, jobs=table.identifier, id_type=table.id_type, **identifiers)


class _Changed(Exception):
    """Somebody else was faster: nothing of the transaction is to remain."""


def _set(cursor: Cursor, statement: sql.Composed, values: Mapping[str, object]) -> None:
    """One compare-and-set. Raises _Changed where there was nothing to set."""
    cursor.execute(statement, values)
    if cursor.fetchone() is None:
        raise _Changed


_NOW = sql.SQL("now()")


def _assigned(record: JobRecord, change: RowChange) -> dict[str, object]:
    """Columns to write beside the status. What the decision does not touch is not named."""
    values: dict[str, object] = {"updated_at": _NOW}
    if change.progress not in (None, record.progress):  # the application may write its own
        values["progress"] = change.progress
    if change.output_path is not None:
        values["output_path"] = clean_text(change.output_path)
    if change.status is Status.FAILED:
        words = f"{change.failure.value if change.failure else 'failed'}: {change.reason}"
        values["error"] = clean_text(words)
    elif record.job.status is Status.FAILED or change.status is Status.COMPLETED:
        # "warning" is no failure code: whoever reads the row alone is told as well.
        values["error"] = clean_text(f"warning: {change.warning}") if change.warning else None
    if change.status.is_final and change.status is not record.job.status:
        values["completed_at"] = _NOW
    return values


def _state(record: JobRecord, change: RowChange) -> dict[str, object]:
    return {
        "job_id": record.job.id,
        "attempt": record.job.attempt,
        "known_status": record.known_status,
        "known_rule": record.rule,
        "status": change.status.value,
        "failure": change.failure.value if change.failure else None,
        "stage": change.stage,
        "server": change.server,
        "queue_position": change.queue_position,
        "progress": change.progress,
        "eta_s": change.eta_s,
        "rule": change.rule,
        "reason": clean_text(change.reason),
    }


def _one(cursor: Cursor) -> Mapping[str, Any]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _leave_alone(cursor: Cursor, row: Mapping[str, Any]) -> None:
    """An open row took on a status that is none of ours: the application's business now."""
    word = clean_text(row["row_status"] or "null", 100)
    reason = f"the row says {word!r}, which is none of our statuses: left alone"
    known = {name: row[name] for name in ("job_id", "attempt", "known_status")}
    cursor.execute(query("note_row_status"), {**known, "status": word, "reason": reason})
    if cursor.rowcount:
        event = Event("application", reason, from_status=row["known_status"])
        _add_event_of(cursor, row["job_id"], row["attempt"], event)


def _notify(cursor: Cursor, payload: str) -> None:
    cursor.execute(query("notify"), {"payload": payload[:200]})


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean_text(text, 200)


def _add_event(cursor: Cursor, job: Job, event: Event, *, attempt: int | None = None) -> None:
    _add_event_of(cursor, job.id, job.attempt if attempt is None else attempt, event)


def _add_event_of(cursor: Cursor, job_id: str, attempt: int, event: Event) -> None:
    cursor.execute(
        query("add_event"),
        {
            "job_id": job_id,
            "attempt": attempt,
            "kind": event.kind,
            "from_status": event.from_status,
            "to_status": event.to_status,
            "failure": event.failure,
            "rule": event.rule,
            "reason": clean_text(event.reason),
            "evidence": Json(clean_json(event.evidence)),
        },
    )
    _notify(cursor, f"event {_one(cursor)['id']}")
