"""What we know of jobs beyond their rows, and their stories: statements on our own tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

from reconciler.core.jobs import FailureCode, Job
from reconciler.store.clean import clean_json, clean_text
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.records import Event, JobRecord, RowChange

State = Mapping[str, Any]

_NAMES = (
    *("job_id", "attempt", "known_status", "failure", "stage", "server", "queue_position"),
    *("progress", "eta_s", "eta_high_s", "wait_s", "rule", "reason", "overwritten"),
    *("opened_at", "decided_at", "intended", "forgotten_at"),
)
_TIMES = ("opened_at", "decided_at", "forgotten_at")
#: What is read of a state `s`.
COLUMNS = sql.SQL(", ").join(
    sql.SQL("extract(epoch from s.{0})::float8 as {0}" if name in _TIMES else "s.{}").format(
        sql.Identifier(name)
    )
    for name in _NAMES
)
#: Of a row that was never seen.
UNSEEN: State = dict.fromkeys(_NAMES)
_REVOCABLE = [code.value for code in FailureCode if not code.is_permanent]


def watched(
    cursor: Cursor,
    *,
    late_s: float,
    servers: Collection[str] | None,
    also: Collection[str] = (),
) -> dict[str, State]:
    """The states of the jobs that we know as open, or that failed less than `late_s` seconds ago by
    a verdict that a late success may lift, and of those named in `also`. `servers`: none that
    another server has."""
    names = None if servers is None else list(servers)
    values = {"revocable": _REVOCABLE, "late_s": late_s, "servers": names, "also": list(also)}
    cursor.execute(query("watched_states", state=COLUMNS), values)
    return {row["job_id"]: row for row in cursor.fetchall()}


def of_jobs(cursor: Cursor, job_ids: Collection[str]) -> dict[str, State]:
    """What we know of these jobs, where we have seen them."""
    if not job_ids:
        return {}
    cursor.execute(query("states_of", state=COLUMNS), {"job_ids": list(job_ids)})
    return {row["job_id"]: row for row in cursor.fetchall()}


def lock(cursor: Cursor, values: Sequence[Mapping[str, object]]) -> set[str]:
    """Locks the states that are still as they were `known`. Returns the jobs."""
    cursor.execute(query("lock_states"), {"states": Json(values), "job_ids": _ids(values)})
    return {row["job_id"] for row in cursor.fetchall()}


def write(cursor: Cursor, values: Sequence[Mapping[str, object]]) -> None:
    """Sets states that are locked to what was `decided`."""
    if values:
        states = Json(clean_json(values))
        cursor.execute(query("write_states"), {"states": states, "job_ids": _ids(values)})


def follow(cursor: Cursor, rows: Sequence[tuple[State, str, str]]) -> set[str]:
    """Takes over what the application did to rows: the state as we knew it, the status now, and
    why. Returns the jobs of which that is news."""
    values = [
        {name: state[name] for name in ("job_id", "attempt", "known_status")}
        | {"status": status, "reason": clean_text(reason)}
        for state, status, reason in rows
    ]
    cursor.execute(query("note_row_statuses"), {"jobs": Json(values), "job_ids": _ids(values)})
    return {row["job_id"] for row in cursor.fetchall()}


def tell(cursor: Cursor, sentences: Sequence[tuple[str, int, Event]]) -> None:
    """Adds sentences to stories, by job and attempt, and hints at the newest."""
    if not sentences:
        return
    values = [_sentence(*sentence) for sentence in sentences]
    cursor.execute(query("add_events"), {"events": Json(values)})
    newest = max(row["id"] for row in cursor.fetchall())
    notify(cursor, f"event {newest}")


def told(job: Job, event: Event) -> tuple[str, int, Event]:
    """A sentence of a job's story, for `tell`."""
    return job.id, job.attempt, event


def notify(cursor: Cursor, payload: str) -> None:
    """A hint to whoever listens that something changed; the last one of a transaction is given."""
    cursor.hint = payload[:200]


def _ids(values: Sequence[Mapping[str, object]]) -> list[object]:
    return [value["job_id"] for value in values]


def _sentence(job_id: str, attempt: int, event: Event) -> dict[str, object]:
    return {
        "job_id": job_id,
        "attempt": attempt,
        "kind": event.kind,
        "from_status": event.from_status,
        "to_status": event.to_status,
        "failure": event.failure,
        "rule": event.rule,
        "reason": clean_text(event.reason),
        "evidence": clean_json(event.evidence),
    }


def known(record: JobRecord) -> dict[str, object]:
    """The state that a decision was drawn from, for `lock`."""
    return {
        "job_id": record.job.id,
        "attempt": record.job.attempt,
        "known_status": record.known_status,
        "known_rule": record.rule,
    }


def job_type_of(job: Job) -> str | None:
    """As its row says it, bounded."""
    return None if job.job_type is None else clean_text(job.job_type, 200)


def decided(job: Job, change: RowChange) -> dict[str, object]:
    """What a state is to say, for `write`."""
    return {
        "job_id": job.id,
        "job_type": job_type_of(job),
        "status": change.status.value,
        "failure": change.failure.value if change.failure else None,
        "stage": change.stage,
        "server": change.server,
        "queue_position": change.queue_position,
        "progress": change.progress,
        "eta_s": change.eta_s,
        "eta_high_s": change.eta_high_s,
        "wait_s": change.wait_s,
        "rule": change.rule,
        "reason": change.reason,
    }
