"""Postgres: the jobs table, our own tables, and the embedded server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from reconciler.settings import Settings
from reconciler.settings.jobs import JobsSettings
from reconciler.store.connection import Connection
from reconciler.store.databases import Databases
from reconciler.store.file_pages import FilePages
from reconciler.store.jobs import JobStore
from reconciler.store.outputs import OutputStore
from reconciler.store.pages import JobPages
from reconciler.store.queries import OWN_SCHEMA
from reconciler.store.requests import RequestStore
from reconciler.store.runs import RunStore
from reconciler.store.schema import find_table, prepare
from reconciler.store.servers import ServerStore
from reconciler.store.stats import Statistics
from reconciler.store.table import JobsTable
from reconciler.store.views import JobViews


@dataclass(frozen=True)
class Store:
    """All that is kept in Postgres."""

    databases: Databases
    table: JobsTable
    jobs: JobStore
    outputs: OutputStore
    servers: ServerStore
    views: JobViews
    pages: JobPages
    stats: Statistics
    lists: FilePages
    requests: RequestStore
    runs: RunStore

    @property
    def connection(self) -> Connection:
        """To our own tables; to the jobs table, too, unless that is in another database."""
        return self.databases.own

    def close(self) -> None:
        """Closes all connections; what is done next would open others."""
        self.databases.close()


def open_configured(url: str, settings: Settings, *, create: bool = True) -> Store:
    """`open_store` at `url`, as these settings say."""
    database = settings.database
    return open_store(
        url,
        direct_url=database.direct_dsn,
        jobs_table=database.jobs_table,
        jobs=settings.jobs,
        own_url=database.own_dsn,
        own_schema=database.own_schema,
        connect_timeout_s=database.connect_timeout_s,
        statement_timeout_s=database.statement_timeout_s,
        idle_timeout_s=settings.agent.terms.idle_s,
        create=create,
    )


def open_store(
    url: str,
    *,
    direct_url: str | None = None,
    jobs_table: str = "production_jobs",
    jobs: JobsSettings = JobsSettings(),  # noqa: B008 - frozen
    own_url: str | None = None,
    own_schema: str = OWN_SCHEMA,
    connect_timeout_s: float = 5.0,
    statement_timeout_s: float = 30.0,
    idle_timeout_s: float = 60.0,
    create: bool = True,
) -> Store:
    """Connects to `url` and, with `create`, brings the database to what we need.

    `direct_url` leads past a pooler, if one is between. Our own tables lie in the schema
    `own_schema`, of the database `own_url` if that is another. `jobs` says how the jobs table is
    read and written. Raises DatabaseError, and TableError where the jobs table is unusable.
    """
    connect = partial(
        Connection,
        connect_timeout_s=connect_timeout_s,
        statement_timeout_s=statement_timeout_s,
        idle_timeout_s=idle_timeout_s,
        own_schema=own_schema,
    )
    rows = connect(url, direct_url=direct_url)
    databases = Databases(rows, rows if own_url is None else connect(own_url))
    try:
        if create:
            table = prepare(databases, jobs_table, jobs)
        else:
            table = find_table(rows, jobs_table, jobs)
    except BaseException:
        databases.close()
        raise
    own = databases.own
    views = JobViews(databases, table)
    outputs = OutputStore(own)
    return Store(
        databases,
        table,
        JobStore(databases, table),
        outputs,
        ServerStore(own),
        views,
        JobPages(databases, table, views),
        Statistics(databases, table),
        FilePages(own, outputs),
        RequestStore(databases),
        RunStore(own),
    )
