"""The outbox: what webhooks are to be told, what became of it, and sending it again.

The rows are written with their events (`states.tell`). Senders claim what is due, try it, and
record what came of it; people look at it and ask for it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from psycopg2.extras import Json

from reconciler.store.clean import clean_json, clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: What a delivery may be: waiting (for its first or next attempt), delivered, failed (given up).
State = Literal["waiting", "delivered", "failed"]
#: The type of a message that tells of nothing.
TEST = "reconciler.test"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours to try now. Times: seconds since the epoch, database's clock."""

    id: int
    message_id: str
    webhook: str
    #: None: a test.
    event_id: int | None
    job_id: str | None
    type: str
    payload: Mapping[str, Any]
    #: This one included, since it was put in or replayed.
    attempts: int
    created_at: float
    #: For how long it has been tried.
    age_s: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of trying a delivery."""

    id: int
    #: As claimed: what somebody else has taken over meanwhile is left to them.
    attempts: int
    #: None: it is tried again after `wait_s`.
    state: Literal["delivered", "failed"] | None
    payload: Mapping[str, Any]
    took_s: float
    #: Of HTTP; None where there was no answer.
    status: int | None = None
    error: str | None = None
    answer: str | None = None
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as people look at it. Times: seconds since the epoch, database's clock."""

    id: int
    message_id: str
    webhook: str
    event_id: int | None
    job_id: str | None
    type: str
    payload: Mapping[str, Any]
    state: State
    attempts: int
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    took_s: float | None
    created_at: float
    last_at: float | None
    #: When it is tried next; None where it is not any more.
    next_at: float | None
    #: A sender is at it.
    sending: bool


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are meant; None: all."""

    webhook: str | None = None
    state: State | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outbox:
    """How much waits in the outbox, and for how long the oldest has."""

    waiting: int
    oldest_s: float


class DeliveryStore:
    """Deliveries in Postgres. Every method is one transaction and raises DatabaseError."""

    def __init__(self, own: Connection) -> None:
        """`own`: where our tables are (`Store.connection`)."""
        self._connection = own

    def claim(self, webhook: str, limit: int, claim_s: float) -> list[Claimed]:
        """Takes what is due for an endpoint, at most `limit`, for `claim_s` seconds."""
        values = {"webhook": webhook, "limit": limit, "claim_s": claim_s}
        return [Claimed(**row) for row in self._rows("claim_deliveries", values)]

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Stores what came of attempts."""
        values = [
            asdict(attempt)
            | {"error": _cleaned(attempt.error), "answer": _cleaned(attempt.answer)}
            | {"payload": clean_json(attempt.payload)}
            for attempt in attempts
        ]
        self._count("record_attempts", {"attempts": Json(values), "ids": [a.id for a in attempts]})

    def give_up(self, webhooks: Collection[str], max_age_s: float) -> int:
        """Ends what was tried for too long, and what is for endpoints that are removed."""
        values = {
            "webhooks": list(webhooks),
            "max_age_s": max_age_s,
            "too_old": "given up: not delivered in time",
            "removed": "given up: no settings name this endpoint any more",
        }
        return self._count("give_up_deliveries", values)

    def mend_times(self, claim_s: float) -> int:
        """Makes due what waits only because the database's clock was set back. `claim_s`: as long
        as a claim holds."""
        return self._count("mend_deliveries", {"claim_s": claim_s})

    def page(
        self,
        limit: int,
        *,
        before: int | None = None,
        which: DeliveryFilter = DeliveryFilter(),
    ) -> list[Delivery]:
        """The newest, at most `limit`; `before`: only those with smaller ids."""
        values = asdict(which) | {"before": before, "id": None, "limit": limit}
        values["job_id"] = _cleaned(which.job_id)
        return [Delivery(**row) for row in self._rows("list_deliveries", values)]

    def one(self, delivery_id: int) -> Delivery | None:
        """The delivery with this id."""
        values = {"id": delivery_id, "before": None, "limit": 1}
        values |= asdict(DeliveryFilter())
        rows = self._rows("list_deliveries", values)
        return Delivery(**rows[0]) if rows else None

    def replay(self, ids: Collection[int]) -> list[int]:
        """Sends these again; returns those that were delivered or given up."""
        return self._replay({"ids": list(ids), "webhook": None, "state": None})

    def replay_failed(self, webhook: str) -> list[int]:
        """Sends again all that was given up for an endpoint."""
        return self._replay({"ids": None, "webhook": webhook, "state": "failed"})

    def test(self, webhook: str) -> int | None:
        """Puts a test in, also where the endpoint is disabled. None: there is no such endpoint."""
        rows = self._rows("add_test_delivery", {"webhook": webhook, "type": TEST})
        return rows[0]["id"] if rows else None

    def outbox(self) -> Outbox:
        """What waits."""
        return Outbox(**self._rows("outbox", {})[0])

    def counts(self) -> dict[tuple[str, str], int]:
        """How many there are, by endpoint and state."""
        rows = self._rows("count_deliveries", {})
        return {(row["webhook"], row["state"]): row["number"] for row in rows}

    def _replay(self, values: Mapping[str, Any]) -> list[int]:
        return sorted(row["id"] for row in self._rows("replay_deliveries", values))

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name), values)
            return cursor.fetchall()

    def _count(self, name: str, values: Mapping[str, Any]) -> int:
        with self._connection.transaction() as cursor:
            cursor.execute(query(name), values)
            return cursor.rowcount


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean_text(text, 1000)
