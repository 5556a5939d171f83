"""Brings a database to what we need: our schema by migrations, and the jobs table."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql

from reconciler.errors import DatabaseError, TableError
from reconciler.store.connection import Connection, Cursor, explain
from reconciler.store.queries import query

#: Without these no job can be followed.
NEEDED = ("id", "status", "comfyui_job_id")
#: What is lost without each of the others.
OPTIONAL: Mapping[str, str] = {
    "job_type": "thresholds by job type",
    "frames": "the check of the frame count, and runtime budgets by frames",
    "progress": "progress in the row (it stays in reconciler.job_state)",
    "output_path": "the path of the output in the row",
    "error": "the reason of a failure in the row",
    "created_at": "the age of rows that were there before us",
    "updated_at": "the time of the last change in the row",
    "completed_at": "the time of the end in the row",
}
_NUMBER = re.compile(r"\(?'?(\d{1,9})(?:\.0*)?'?\)?(?:::[\w ]+)?")
_MIGRATIONS = Path(__file__).with_name("migrations")
#: One migration at a time, whoever starts first: a number of our own for pg_advisory_xact_lock.
_MIGRATION_LOCK = 0x7265636F6E63696C


@dataclass(frozen=True, slots=True)
class JobsTable:
    """The jobs table as found: its name in parts, and its columns with their types."""

    name: tuple[str, ...]
    columns: Mapping[str, str]
    #: The whole number that `frames` has by default, if any.
    default_frames: int | None = None

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name, quoted."""
        return sql.Identifier(*self.name)

    @property
    def id_type(self) -> sql.SQL:
        """The type of the key, as Postgres formats it."""
        return sql.SQL(self.columns["id"])

    def has(self, column: str) -> bool:
        """True where the table has this column."""
        return column in self.columns

    def flag(self, name: str) -> sql.Composable:
        """As `column`, but null too where it is no boolean: it may hold files, and is not read."""
        return self.column(name) if self.columns.get(name) == "boolean" else sql.SQL("null")

    def column(self, name: str) -> sql.Composable:
        """`j.name` where the column exists, else null."""
        return sql.Identifier("j", name) if self.has(name) else sql.SQL("null")

    def missing(self) -> dict[str, str]:
        """Optional columns that are not there, and what is lost without each."""
        return {name: lost for name, lost in OPTIONAL.items() if not self.has(name)}


def prepare(connection: Connection, jobs_table: str) -> JobsTable:
    """Migrates our schema, creates the jobs table if absent, and adds `updated_at` if missing.

    Safe when several processes do it at once. Raises DatabaseError, and TableError if the table
    lacks a needed column.
    """
    migrate(connection)
    name = tuple(jobs_table.split("."))
    with connection.transaction() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        columns = _columns(cursor, name)
        if not columns:
            cursor.execute(query("create_jobs_table", jobs=sql.Identifier(*name)))
            cursor.execute(query("index_jobs_table", jobs=sql.Identifier(*name)))
            columns = _columns(cursor, name)
        _require(columns, jobs_table)
        frames = _default_frames(cursor, name)
    if "updated_at" not in columns:
        columns = _add_updated_at(connection, name, columns)
    return JobsTable(name, columns, frames)


def find_table(connection: Connection, jobs_table: str) -> JobsTable:
    """The jobs table as it is, without changing anything. Raises DatabaseError, TableError."""
    name = tuple(jobs_table.split("."))
    with connection.transaction() as cursor:
        columns, frames = _columns(cursor, name), _default_frames(cursor, name)
    if not columns:
        raise TableError(
            f"there is no table {jobs_table!r}; `reconciler run` creates the default one, or name"
            " yours in the setting database.jobs_table"
        )
    _require(columns, jobs_table)
    return JobsTable(name, columns, frames)


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
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as raw:
            raw.exec_driver_sql(connection.settings)
            raw.exec_driver_sql(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})")
            # `if not exists` asks for the right to create also where there is nothing to create.
            if raw.exec_driver_sql("select to_regnamespace('reconciler')").scalar() is None:
                raw.exec_driver_sql("create schema reconciler")
            config.attributes["connection"] = raw
            with _quiet():
                command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as error:
        raise DatabaseError(
            explain(error.orig, connection.url)  # type: ignore[arg-type]
            + " (preparing the schema `reconciler`, which needs CREATE on the database)"
        ) from error
    finally:
        engine.dispose()


def _columns(cursor: Cursor, name: tuple[str, ...]) -> dict[str, str]:
    quoted = sql.Identifier(*name).as_string(cursor)
    cursor.execute(query("columns"), {"table": quoted})
    return {row["name"]: row["type"] for row in cursor.fetchall()}


def _default_frames(cursor: Cursor, name: tuple[str, ...]) -> int | None:
    """A plain number, as 120 or '120'::bigint. What has to be computed is nobody's default here."""
    quoted = sql.Identifier(*name).as_string(cursor)
    cursor.execute(query("default_of"), {"table": quoted, "column": "frames"})
    row = cursor.fetchone()
    found = None if row is None else _NUMBER.fullmatch(row["value"])
    return None if found is None else int(found[1])


def _require(columns: Mapping[str, str], jobs_table: str) -> None:
    lacking = [name for name in NEEDED if name not in columns]
    if lacking:
        kinds = {"status": "text not null default 'queued'", "comfyui_job_id": "text"}
        fixes = [
            f"ALTER TABLE {jobs_table} ADD COLUMN {name} {kinds.get(name, 'bigserial')};"
            for name in lacking
        ]
        raise TableError(
            f"table {jobs_table} lacks the column {', '.join(lacking)} (it has:"
            f" {', '.join(sorted(columns))}). What to do: {' '.join(fixes)}"
        )


def _add_updated_at(
    connection: Connection, name: tuple[str, ...], columns: dict[str, str]
) -> dict[str, str]:
    """Adds the column; where we have no right to, we do without (doctor says so)."""
    statement = sql.SQL("alter table {} add column if not exists updated_at timestamptz").format(
        sql.Identifier(*name)
    )
    try:
        with connection.transaction() as cursor:
            cursor.execute(statement)
            return _columns(cursor, name)
    except DatabaseError as error:
        logging.getLogger(__name__).warning("updated_at could not be added: %s", error)
        return columns


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
