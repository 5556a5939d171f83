"""Our own tables may be of another version than this package: then it waits, and says for what."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress

import structlog

from reconciler.errors import DatabaseError, SchemaMismatch
from reconciler.service.wiring import database_url
from reconciler.settings import Settings
from reconciler.store.agents import AgentRecord, AgentStore, Identity
from reconciler.store.connection import Connection
from reconciler.store.revision import found_revision, known_revisions, newest_revision
from reconciler.systemd import notify

log = structlog.get_logger(__name__)


def hindrance(connection: Connection, takeover_s: float) -> str | None:
    """Why this version must not touch our own tables now; None if it may. Raises DatabaseError."""
    found, ours = found_revision(connection), newest_revision()
    if found in (None, ours):
        return None
    if found not in known_revisions():
        return (
            f"the database is at revision {found}, of a newer version than this one, which knows"
            f" {ours}. Upgrade the reconciler on this host"
        )
    older = [agent for agent in _alive(connection, takeover_s) if agent.revision != ours]
    if not older:
        return None  # nobody is in the way: it is brought to ours
    names = ", ".join(f"{agent.name} on {agent.host} ({agent.version})" for agent in older)
    return (
        f"the database is at revision {found}, and agents still work with that: {names}. It is"
        f" brought to {ours} when they have stopped: upgrade them"
    )


def require_same_schema(settings: Settings) -> None:
    """Raises SchemaMismatch where another version has the database, and DatabaseError."""
    with closing(_connection(settings)) as connection:
        if (words := hindrance(connection, settings.agent.takeover_s)) is not None:
            raise SchemaMismatch(words)


def wait_for_schema(settings: Settings, stopping: threading.Event) -> bool:
    """Waits until this version may use our own tables. False if it was told to stop meanwhile.

    It shows itself as an agent that waits, and says for what. Raises DatabaseError.
    """
    terms, told = settings.agent.terms, ""
    with closing(_connection(settings)) as connection:
        agents = AgentStore(connection)
        agent = Identity(
            settings.agent.name or socket.gethostname(),
            newest_revision(),
            tuple(server.name for server in settings.servers),
        )
        while not stopping.is_set():
            words = hindrance(connection, settings.agent.takeover_s)
            if words is None:
                break
            if words != told:
                log.error("waiting: another version of our own tables", reason=words)
                notify(f"READY=1\nSTATUS=waiting: {words}"[:500])
                told = words
            notify("WATCHDOG=1")
            with suppress(DatabaseError):  # a newer version may have other columns
                agents.note(agent, words)
            stopping.wait(terms.poll_s)
        if told:
            with suppress(DatabaseError):
                agents.forget(agent)
    return not stopping.is_set()


def _connection(settings: Settings) -> Connection:
    database = settings.database
    return Connection(
        database.own_dsn or database_url(settings),
        connect_timeout_s=database.connect_timeout_s,
        statement_timeout_s=database.statement_timeout_s,
        own_schema=database.own_schema,
    )


def _alive(connection: Connection, takeover_s: float) -> list[AgentRecord]:
    """The agents that have been heard within the time after which others take their servers."""
    with connection.transaction() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::float8 as now")
        row = cursor.fetchone()
    now = 0.0 if row is None else float(row["now"])
    agents = AgentStore(connection).all()
    return [a for a in agents if now - a.heartbeat_at < takeover_s and a.waiting is None]
