"""Events in their order, and the progress of open jobs: for whoever follows them live."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.store.connection import Connection
from reconciler.store.queries import query


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A sentence of a job's story. `server` and `job_type` are those that the job has now."""

    id: int
    #: Seconds since the epoch, the database's clock.
    at: float
    job_id: str
    attempt: int
    kind: str
    from_status: str | None
    to_status: str | None
    failure: str | None
    rule: str | None
    reason: str
    server: str | None
    job_type: str | None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What changes of an open job without being an event."""

    job_id: str
    status: str
    stage: str | None
    server: str | None
    queue_position: int | None
    progress: int | None
    eta_s: float | None
    eta_high_s: float | None
    wait_s: float | None
    job_type: str | None


class FeedStore:
    """Reads for the feed. Every method raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        """`connection`: to our own tables."""
        self._connection = connection

    def events(
        self,
        after: int,
        *,
        limit: int,
        upto: int | None = None,
        job_ids: Collection[str] | None = None,
    ) -> list[FeedEvent]:
        """The first `limit` events after an id that can be seen now, in order; `upto` an id, or of
        these jobs alone."""
        jobs = None if job_ids is None else list(job_ids)
        values = {"after": after, "upto": upto, "job_ids": jobs, "limit": limit}
        return [FeedEvent(**row) for row in self._rows("events_after", values)]

    def bounds(self) -> tuple[int, int]:
        """The ids of the oldest and of the newest event that can be seen; 0 where there is none."""
        row = self._rows("event_bounds", {})[0]
        return row["oldest"], row["newest"]

    def age_s(self, event_id: int) -> float | None:
        """How long ago the last event up to this id was; None where none is left."""
        rows = self._rows("event_age", {"id": event_id})
        return rows[0]["age_s"] if rows else None

    def writers(self) -> frozenset[str]:
        """The transactions that may still bring events with ids that were passed already."""
        return frozenset(row["writer"] for row in self._rows("event_writers", {}))

    def changed(
        self, within_s: float, *, nearest: int, job_ids: Collection[str] = ()
    ) -> list[JobProgress]:
        """Open jobs of which something was written in the last `within_s` seconds: those that run,
        those in the `nearest` places of their queues, and these."""
        values = {"within_s": within_s, "nearest": nearest, "job_ids": list(job_ids)}
        return [JobProgress(**row) for row in self._rows("changed_states", values)]

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchall()
