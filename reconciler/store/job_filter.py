"""Which jobs are wanted, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.core.jobs import FailureCode, Status

Row = Mapping[str, Any]


class Sort(StrEnum):
    """What jobs are ordered by; those that are equal in it by their keys."""

    #: When the row was made. Needs a column for it.
    CREATED = "created"
    #: When its last status was decided; jobs that the reconciler has never seen come last.
    UPDATED = "updated"
    #: Processing, queued, failed, completed, cancelled; the newest key first in each, and any other
    #: status last.
    STATUS = "status"
    #: The key of the row.
    ID = "id"


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a job has to be; what is empty or None lets all pass. Times: seconds since the epoch,
    from `after` on and earlier than `before`."""

    statuses: frozenset[Status] = frozenset()
    servers: frozenset[str] = frozenset()
    job_types: frozenset[str] = frozenset()
    failures: frozenset[FailureCode] = frozenset()
    created_after: float | None = None
    created_before: float | None = None
    #: When it was decided how it ended; as the row says it, where that was not here.
    ended_after: float | None = None
    ended_before: float | None = None
    #: Stands in its key, prompt id, type, error or output path; or is the id of one of its prompts.
    text: str | None = None

    @property
    def asks_our_tables(self) -> bool:
        """True where the row alone does not tell."""
        return bool(self.servers or self.failures or self.asks_for_the_end)

    @property
    def asks_for_the_end(self) -> bool:
        """True where it matters when a job ended."""
        return self.ended_after is not None or self.ended_before is not None

    def admits(self, row: Row, state: Row) -> bool:
        """True for a job that is wanted, whose text has been compared already."""
        status = row["row_status"]
        return (
            (not self.statuses or status in self.statuses)
            and (not self.servers or state["server"] in self.servers)
            and (not self.job_types or row["job_type"] in self.job_types)
            and (not self.failures or state["failure"] in self.failures)
            and _within(created_at(row, state), self.created_after, self.created_before)
            and _within(ended_at(row, state), self.ended_after, self.ended_before)
        )


def created_at(row: Row, state: Row) -> float | None:
    """When a job was made; when it was seen first, where its table does not tell."""
    made: float | None = row["created_at"]
    return state["opened_at"] if made is None else made


def ended_at(row: Row, state: Row) -> float | None:
    """When it was decided how a job ended; as its row says it, where that was not here."""
    status = row["row_status"]
    if status is None or not Status(status).is_final:
        return None
    decided: float | None = state["decided_at"]
    return decided if state["known_status"] == status else row["completed_at"]


def _within(instant: float | None, after: float | None, before: float | None) -> bool:
    if after is None and before is None:
        return True
    if instant is None:
        return False
    return (after is None or instant >= after) and (before is None or instant < before)
