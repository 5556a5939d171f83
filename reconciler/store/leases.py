"""Leases in Postgres: which agent reconciles which server, checked in each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.core.lease import Lease, LeaseTerms
from reconciler.errors import LeaseLost
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.connection import Connection, Cursor
from reconciler.store.queries import query

Guard = Callable[[Cursor], None]


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as it stands. Times: seconds since the epoch, database's clock."""

    server: str
    #: The id of its holder; None where it was given back.
    agent: str | None
    epoch: int
    #: It has not expired.
    live: bool
    acquired_at: float | None = None
    renewed_at: float | None = None
    #: When its holder began the last look that was answered cleanly and is stored.
    looked_at: float | None = None


class LeaseStore:
    """The leases of one agent. Every method is one transaction and raises DatabaseError."""

    def __init__(
        self, connection: Connection, agents: AgentStore, agent: Identity, terms: LeaseTerms
    ) -> None:
        self._connection = connection
        self._agents = agents
        self._agent = agent
        self._terms = terms

    def name(self, servers: Sequence[str]) -> None:
        """Makes sure that there is a lease for each, held by whomever."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("name_leases"), {"servers": list(servers)})

    def acquire(self, servers: Sequence[str]) -> dict[str, int]:
        """Takes those that are nobody's. Returns the epoch of each that is ours now."""
        values = {
            "agent": self._agent.id,
            "servers": list(servers),
            "lease_s": self._terms.lease_s,
        }
        with self._connection.transaction() as cursor:
            cursor.execute(query("acquire_leases"), values)
            return {row["server"]: row["epoch"] for row in cursor.fetchall()}

    def renew(
        self, leases: Sequence[Lease], looked_at: Mapping[str, float], waiting: str | None
    ) -> set[str]:
        """Renews those that are still ours, and says so. With the heartbeat, and the looks."""
        values = {
            "agent": self._agent.id,
            "servers": [lease.server for lease in leases],
            "epochs": [lease.epoch for lease in leases],
            "looked_at": [looked_at.get(lease.server) for lease in leases],
            "lease_s": self._terms.lease_s,
        }
        with self._connection.transaction() as cursor:
            self._agents.note_in(cursor, self._agent, waiting)
            cursor.execute(query("renew_leases"), values)
            return {row["server"] for row in cursor.fetchall()}

    def release(self) -> None:
        """Gives all of them back."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("release_leases"), {"agent": self._agent.id})

    def revision(self) -> str | None:
        """The revision of our own tables now."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("revision"))
            row = cursor.fetchone()
        return None if row is None else str(row["revision"])

    def guard(self, leases: frozenset[Lease]) -> Guard:
        """Lets a transaction change something only while all of these are ours, until its end."""
        return guard_of(self._agent.id, leases)


def all_leases(connection: Connection) -> list[LeaseRecord]:
    """Every lease, by server. Raises DatabaseError."""
    with connection.transaction() as cursor:
        cursor.execute(query("leases"))
        return [LeaseRecord(**row) for row in cursor.fetchall()]


def guard_of(agent_id: str, leases: frozenset[Lease]) -> Guard:
    """A check of these leases, to be the first statement of each change (`Connection.guard`)."""
    values = {
        "agent": agent_id,
        "servers": [lease.server for lease in leases],
        "epochs": [lease.epoch for lease in leases],
    }

    def check(cursor: Cursor) -> None:
        cursor.execute(query("check_leases"), values)
        ours = {row["server"] for row in cursor.fetchall()}
        if lost := sorted({lease.server for lease in leases} - ours):
            raise LeaseLost(f"another agent reconciles {', '.join(lost)} now: nothing is written")
        if not leases:
            raise LeaseLost("no server is this agent's: nothing is written")

    return check


class Guarded(Connection):
    """The same connection with another guard: for what is done beside the passes."""

    def __init__(self, connection: Connection, guard: Guard) -> None:
        self._shared = connection
        self.url = connection.url
        self.own_schema = connection.own_schema
        self.guard = guard

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        with self._shared.transaction() as cursor:
            yield cursor

    def close(self) -> None:
        self._shared.close()
