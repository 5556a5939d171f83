"""The endpoints that are told: as the settings name them, and what happened to them since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from psycopg2.extras import Json

from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the settings of an agent name it; no secrets."""

    name: str
    url: str
    #: endings, changes, all.
    events: str
    #: None: all of them.
    statuses: Sequence[str] | None
    #: Patterns: `*` stands for anything, case makes no difference.
    job_types: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class EndpointRecord(Endpoint):
    """What is known of an endpoint. Times: seconds since the epoch, database's clock."""

    #: The agents whose settings name it.
    named_by: Sequence[str]
    disabled_because: str | None
    disabled_at: float | None
    #: No settings name it any more.
    removed_at: float | None
    #: Deliveries that wait, and since when the oldest of them has: a replay begins anew.
    waiting: int
    oldest_at: float | None

    @property
    def state(self) -> str:
        """In a word."""
        if self.removed_at is not None:
            return "removed"
        return "enabled" if self.disabled_at is None else "disabled"


class WebhookStore:
    """Endpoints in Postgres. Every method is one transaction and raises DatabaseError."""

    def __init__(self, own: Connection) -> None:
        """`own`: where our tables are (`Store.connection`)."""
        self._connection = own

    def name(self, agent: str, endpoints: Sequence[Endpoint]) -> None:
        """Notes which endpoints an agent's settings name, and that they name no others."""
        values = {"agent": agent, "names": [endpoint.name for endpoint in endpoints]}
        with self._connection.transaction() as cursor:
            if endpoints:
                listed = Json([_row(endpoint) for endpoint in endpoints])
                cursor.execute(query("name_webhooks"), {"agent": agent, "webhooks": listed})
            cursor.execute(query("forget_webhooks"), values)

    def all(self) -> list[EndpointRecord]:
        """All that were ever named, those that are removed last."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("list_webhooks"))
            return [EndpointRecord(**row) for row in cursor.fetchall()]

    def disable(self, name: str, because: str) -> bool:
        """Sends nothing there any more, and puts nothing in the outbox. False: there is no such."""
        values = {"name": name, "because": clean_text(because, 500)}
        with self._connection.transaction() as cursor:
            cursor.execute(query("disable_webhook"), values)
            return cursor.rowcount > 0

    def enable(self, name: str) -> bool:
        """Sends again, what waits at once. False: there is no such endpoint."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("enable_webhook"), {"name": name})
            return cursor.rowcount > 0


def _row(endpoint: Endpoint) -> dict[str, object]:
    types = endpoint.job_types
    patterns = None if types is None else [_like(pattern) for pattern in types]
    return asdict(endpoint) | {"job_type_patterns": patterns}


def _like(pattern: str) -> str:
    """A pattern of the settings as LIKE has it."""
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%")
