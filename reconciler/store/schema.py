"""Brings a database to what we need: our schema by migrations, and the jobs table."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import quote_ident

from reconciler.errors import DatabaseError, TableError
from reconciler.settings.jobs import JobsSettings
from reconciler.settings.postgres import table_parts
from reconciler.store.columns import Column, columns_of
from reconciler.store.connection import Connection, Cursor, explain
from reconciler.store.databases import Databases
from reconciler.store.queries import query
from reconciler.store.requirements import require
from reconciler.store.table import JobsTable, identifier

_MIGRATIONS = Path(__file__).with_name("migrations")
#: One migration at a time, whoever starts first: a number of our own for pg_advisory_xact_lock.
_MIGRATION_LOCK = 0x7265636F6E63696C
#: Another one's migration may take longer than a lock is waited for elsewhere.
_WAIT_FOR_LOCKS = "set local lock_timeout = 0"
#: What a migration calls our schema: in front of a table, or as what is created.
_OWN_SCHEMA = re.compile(r"(?<![\w\"'.])reconciler(?=\.)|(?<=create schema )reconciler\b")


def prepare(
    databases: Databases,
    jobs_table: str,
    mapping: JobsSettings = JobsSettings(),  # noqa: B008
) -> JobsTable:
    """Migrates our schema, creates the jobs table if absent, and adds `updated_at` if missing.

    A table is created only where the settings describe none, and the column only where they leave
    it open. Safe when several processes do it at once. Raises DatabaseError, and TableError if the
    table is unusable.
    """
    migrate(databases.own)
    name = table_parts(jobs_table)
    with databases.rows.transaction() as cursor:
        cursor.execute(f"{_WAIT_FOR_LOCKS}; select pg_advisory_xact_lock({_MIGRATION_LOCK})")
        columns = columns_of(cursor, quoted(cursor, name))
        if not columns and mapping == JobsSettings():
            cursor.execute(query("create_jobs_table", jobs=identifier(*name)), {})
            cursor.execute(query("index_jobs_table", jobs=identifier(*name)), {})
            columns = columns_of(cursor, quoted(cursor, name))
        table = _understood(cursor, name, columns, mapping)
        wants_column = mapping.columns.updated_at is None and "updated_at" not in columns
        # To a view none can be added, to a foreign table only in vain.
        wants_column &= relation_of(cursor, table)["kind"] in ("r", "p")
    if wants_column:
        columns = _add_updated_at(databases.rows, name, columns)
    return JobsTable(table.name, columns, mapping)


def find_table(
    connection: Connection,
    jobs_table: str,
    mapping: JobsSettings = JobsSettings(),  # noqa: B008
) -> JobsTable:
    """The jobs table as it is, without changing anything. Raises DatabaseError, TableError."""
    name = table_parts(jobs_table)
    with connection.transaction() as cursor:
        return _understood(cursor, name, columns_of(cursor, quoted(cursor, name)), mapping)


def quoted(cursor: Cursor, name: tuple[str, ...]) -> str:
    """A table's name as SQL spells it."""
    return ".".join(quote_ident(part, cursor) for part in name)


def migrate(connection: Connection) -> None:
    """Brings our own schema up to date, in one transaction. Raises DatabaseError."""
    # Half a second of imports that commands which only read do without.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    # The connection is made by us, so that every form of libpq URL works.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://", creator=connection.connect, poolclass=sqlalchemy.NullPool
    )
    sqlalchemy.event.listen(engine, "before_cursor_execute", _in_own_schema, retval=True)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as raw:
            raw.exec_driver_sql(f"{connection.settings}; {_WAIT_FOR_LOCKS}")
            raw.exec_driver_sql(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})")
            # `if not exists` asks for the right to create also where there is nothing to create.
            found = "select to_regnamespace(quote_ident(%s))"
            if raw.exec_driver_sql(found, (connection.own_schema,)).scalar() is None:
                raw.exec_driver_sql("create schema reconciler")
            config.attributes.update(connection=raw, own_schema=connection.own_schema)
            with _quiet():
                command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as error:
        raise DatabaseError(
            explain(error.orig, connection.url)  # type: ignore[arg-type]
            + f" (preparing the schema `{connection.own_schema}`, which needs CREATE on the"
            " database: without it, let somebody create the schema for this user, and name it in"
            " database.own_schema, or another database in database.own_url)"
        ) from error
    finally:
        engine.dispose()


def _understood(
    cursor: Cursor, name: tuple[str, ...], columns: Mapping[str, Column], mapping: JobsSettings
) -> JobsTable:
    """The table with its mapping. Raises TableError where they do not fit."""
    table = JobsTable(name, columns, mapping)
    if not columns:
        raise TableError(
            f"there is no table {table.shown}; `reconciler run` creates the default one, and"
            " `reconciler adopt` finds yours"
        )
    require(table, relation_of(cursor, table))
    cursor.execute("select from pg_timezone_names where name = %s", (mapping.timezone,))
    if not cursor.rowcount:
        raise TableError(
            f"Postgres knows no time zone {mapping.timezone!r}. What to do: name one of"
            " pg_timezone_names in jobs.timezone, as Europe/Berlin"
        )
    return table


def relation_of(cursor: Cursor, table: JobsTable) -> Mapping[str, Any]:
    """What the table is: its `kind` as Postgres has it, and whether it is `updatable`."""
    cursor.execute(query("relation"), {"table": quoted(cursor, table.name)})
    relation = cursor.fetchone()
    assert relation is not None
    return relation


def _add_updated_at(
    connection: Connection, name: tuple[str, ...], columns: dict[str, Column]
) -> dict[str, Column]:
    """Adds the column; where we have no right to, we do without (doctor says so)."""
    statement = sql.SQL("alter table {} add column if not exists updated_at timestamptz").format(
        identifier(*name)
    )
    try:
        with connection.transaction() as cursor:
            cursor.execute(statement, {})
            return columns_of(cursor, quoted(cursor, name))
    except DatabaseError as error:
        logging.getLogger(__name__).warning("updated_at could not be added: %s", error)
        return columns


def _in_own_schema(
    connection: Any, cursor: Any, statement: str, parameters: Any, *_: object
) -> tuple[str, Any]:
    """Puts the schema's name where a migration says `reconciler`."""
    name = quote_ident(cursor.connection.own_schema, cursor)
    return _OWN_SCHEMA.sub(name, statement), parameters


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Alembic tells each step at level info; only its warnings are news to a user."""
    logger = logging.getLogger("alembic")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
