"""Postgres: the jobs table, our own tables, and the embedded server."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.store.connection import Connection
from reconciler.store.jobs import JobStore
from reconciler.store.outputs import OutputStore
from reconciler.store.schema import JobsTable, find_table, prepare
from reconciler.store.servers import ServerStore
from reconciler.store.views import JobViews


@dataclass(frozen=True)
class Store:
    """All that is kept in Postgres, behind one connection."""

    connection: Connection
    table: JobsTable
    jobs: JobStore
    outputs: OutputStore
    servers: ServerStore
    views: JobViews


def open_store(
    url: str,
    *,
    direct_url: str | None = None,
    jobs_table: str = "production_jobs",
    connect_timeout_s: float = 5.0,
    statement_timeout_s: float = 30.0,
    create: bool = True,
) -> Store:
    """Connects to `url` and, with `create`, brings the database to what we need.

    `direct_url` leads past a pooler, if one is between. Raises DatabaseError, and TableError where
    the jobs table is unusable.
    """
    connection = Connection(
        url,
        connect_timeout_s=connect_timeout_s,
        statement_timeout_s=statement_timeout_s,
        direct_url=direct_url,
    )
    try:
        table = (prepare if create else find_table)(connection, jobs_table)
    except BaseException:
        connection.close()
        raise
    return Store(
        connection,
        table,
        JobStore(connection, table),
        OutputStore(connection),
        ServerStore(connection),
        JobViews(connection, table),
    )
