"""What jobs failed of: many failures, grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.jobs import FailureCode
from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: Of more failures than these the oldest are left out, and of more causes the rarest.
MOST_FAILURES, MOST_CAUSES = 10_000, 200
#: Jobs that are named with a cause.
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """What several jobs failed of. Times: seconds since the epoch by the database's clock."""

    failure: FailureCode
    #: The node and its exception, or the defect without its numbers; empty if the code says all.
    detail: str
    number: int
    last_at: float
    #: The newest jobs of these.
    job_ids: Sequence[str]
    #: Why the newest of them failed, in full.
    reason: str


def causes(connection: Connection, since: float) -> list[Cause]:
    """What jobs failed of since an instant, the most frequent first; of failures that we judged.

    Raises DatabaseError.
    """
    values = {
        "since": since,
        "most": MOST_FAILURES,
        "groups": MOST_CAUSES,
        "examples": EXAMPLES,
    }
    with connection.transaction() as cursor:
        cursor.execute(query("failures_by_cause"), values)
        rows = cursor.fetchall()
    return [Cause(**dict(row) | {"failure": FailureCode(row["failure"])}) for row in rows]
