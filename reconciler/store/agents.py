"""The agents on one database: each tells that it lives, what it is, and what it waits for."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from reconciler import __version__
from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection, Cursor, is_pooled
from reconciler.store.queries import query

#: Agents that hold nothing are forgotten when they have not been heard for so long, in seconds.
DEAD_S = 86_400.0
_MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent as it told of itself last. Times: seconds since the epoch, database's clock."""

    id: str
    name: str
    host: str
    pid: int
    version: str
    #: The revision of our own tables that it knows.
    revision: str
    #: The servers of its settings.
    servers: Sequence[str] = ()
    #: What it waits for; None where it works.
    waiting: str | None = None
    started_at: float = 0.0
    heartbeat_at: float = 0.0


@dataclass(slots=True)
class Identity:
    """This process among the agents; another one with each start."""

    name: str
    revision: str
    servers: Sequence[str]
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    id: str = field(default_factory=lambda: str(uuid4()))
    #: The advisory lock that its session holds: whoever gets it knows that the session is gone.
    lock_key: int = field(default_factory=lambda: secrets.randbits(63))
    version: str = __version__


class AgentStore:
    """Agents in Postgres, on a connection that keeps its session. Methods raise DatabaseError."""

    def __init__(self, connection: Connection, *, is_direct: bool = False) -> None:
        """`is_direct`: no transaction pooler is between; else that is found out."""
        self._connection = connection
        self._is_direct = is_direct
        #: The session that holds the lock, by its connection.
        self._locked_on: object = None

    def note(self, agent: Identity, waiting: str | None = None) -> None:
        """The heartbeat: it is there, and waits for something or works."""
        with self._connection.transaction() as cursor:
            self.note_in(cursor, agent, waiting)

    def note_in(self, cursor: Cursor, agent: Identity, waiting: str | None = None) -> None:
        """The same as part of a transaction on this connection."""
        locked = self._lock_session(cursor, agent.lock_key)
        values = {
            "id": agent.id,
            "name": clean_text(agent.name, 200),
            "host": clean_text(agent.host, 200),
            "pid": agent.pid,
            "version": agent.version,
            "revision": agent.revision,
            "lock_key": agent.lock_key if locked else None,
            "servers": [clean_text(name, 200) for name in agent.servers],
            "waiting": None if waiting is None else clean_text(waiting, _MAX_WORDS),
        }
        cursor.execute(query("note_agent"), values)

    def forget_dead(self, agent: Identity) -> None:
        """Forgets agents that are gone for good, and dead predecessors of this one."""
        values = {"id": agent.id, "name": agent.name, "host": agent.host, "dead_s": DEAD_S}
        with self._connection.transaction() as cursor:
            cursor.execute(query("forget_dead_agents"), values)

    def forget(self, agent: Identity) -> None:
        """It stops."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("forget_agent"), {"id": agent.id})

    def all(self) -> list[AgentRecord]:
        """Every agent that is known, alive or not, by name; none before there is the table."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("has_agents"))
            row = cursor.fetchone()
            if row is None or not row["there"]:
                return []
            cursor.execute(query("agents"))
            return [AgentRecord(**row) for row in cursor.fetchall()]

    def close(self) -> None:
        """Closes the connection, and with it the session whose lock says that we live."""
        self._connection.close()

    def _lock_session(self, cursor: Cursor, key: int) -> bool:
        """True where this session holds the lock. Through a pooler none would stay ours."""
        if self._locked_on is cursor.connection:
            return True
        if not self._is_direct and is_pooled(cursor.connection):  # type: ignore[arg-type]
            return False
        cursor.execute(query("lock_session"), {"lock_key": key})
        row = cursor.fetchone()
        if row is None or not row["locked"]:  # somebody is just asking whether we live
            return False
        self._locked_on = cursor.connection
        return True
