"""The jobs table: its columns, our rights on it, and what in it would surprise us."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import psycopg2.errors
from psycopg2 import sql

from reconciler.core.jobs import Status
from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.errors import DatabaseError, TableError
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.schema import find_table
from reconciler.store.table import JobsTable

#: A table without an index on status is read whole once a second; up to here that is nothing.
SMALL_BYTES = 8 * 2**20
#: What we read and write of the columns that are there.
READ = (
    *("id", "status", "comfyui_job_id"),
    *("job_type", "frames", "progress", "output_path", "created_at"),
)
WRITTEN = (
    *("status", "comfyui_job_id"),
    *("progress", "output_path", "error", "updated_at", "completed_at"),
)
#: Types of the optional columns, for the statement that adds them.
TYPES = {
    "frames": "integer",
    "progress": "integer",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "completed_at": "timestamptz",
}

_WHAT = "jobs table"
_STATUSES = [status.value for status in Status]


def check_jobs_table(connection: Connection, name: str, role: str) -> Iterator[Finding]:
    """Whether the table can be followed and written, or made where it is not there."""
    parts = name.split(".")
    with connection.transaction() as cursor:
        quoted = sql.Identifier(*parts).as_string(cursor)
        schema = parts[0] if len(parts) == 2 else None
        cursor.execute(query("doctor_place"), {"table": quoted, "schema": schema})
        place = cursor.fetchone()
    assert place is not None
    if not place["found"]:
        yield judge_place(place, name, role)
        return
    try:
        table = find_table(connection, name)
    except TableError as error:
        yield failed_by(_WHAT, error, "see docs/settings.md")
        return
    with connection.transaction() as cursor:
        cursor.execute(query("doctor_table"), {"table": quoted})
        facts = cursor.fetchone()
    assert facts is not None
    yield from judge_table(table, facts, name, role)
    if "status" not in facts["unreadable"]:
        yield _check_statuses(connection, table)


def judge_place(place: Mapping[str, Any], name: str, role: str) -> Finding:
    """There is no such table: may we make it?"""
    schema = place["schema"]
    if schema is None:
        return failed(
            _WHAT,
            f"there is no table {name}, and no schema to make it in",
            "create it, or name your table in database.jobs_table (schema.table)",
        )
    if not place["may_create"]:
        return failed(
            _WHAT,
            f"there is no table {name}, and user {role} may not create it",
            f'GRANT CREATE ON SCHEMA "{schema}" TO "{role}"; or name your table in'
            " database.jobs_table",
        )
    return warning(
        _WHAT,
        f"there is no table {name} yet",
        "if your application has one, name it in database.jobs_table; else `reconciler run`"
        " creates it",
    )


def judge_table(
    table: JobsTable, facts: Mapping[str, Any], name: str, role: str
) -> Iterator[Finding]:
    """What can be said of a table by its description alone."""
    missing = table.missing()
    if facts["owned"]:
        missing.pop("updated_at", None)  # `reconciler run` adds it
    if missing:
        yield _columns_missing(missing, name)
    if lacking := _rights_missing(table, facts):
        yield failed(
            _WHAT, f"user {role} lacks {', '.join(lacking)} on {name}", _grant(lacking, name, role)
        )
    else:
        size = f"{facts['size_bytes'] / 2**20:.1f} MiB"
        yield ok(_WHAT, f"{name}: {len(table.columns)} columns, {size}, may be read and written")
    labels = facts["status_labels"]
    if unknown := [word for word in _STATUSES if labels and word not in labels]:
        kind = table.columns["status"]
        yield failed(
            _WHAT,
            f"the type {kind} of column status does not know: {', '.join(unknown)}",
            " ".join(f"ALTER TYPE {kind} ADD VALUE '{word}';" for word in unknown),
        )
    if facts["row_security"]:
        yield warning(
            _WHAT,
            f"row-level security is on for user {role}: rows may be hidden from us",
            f'ALTER ROLE "{role}" BYPASSRLS; or a policy that lets {role} see every row',
        )
    if not facts["indexed"] and facts["size_bytes"] > SMALL_BYTES:
        yield warning(
            _WHAT,
            f"{name} is large, without an index on status: it is read whole every second",
            f"CREATE INDEX CONCURRENTLY ON {name} (status) WHERE status IN"
            " ('queued', 'processing');",
        )


def _columns_missing(missing: Mapping[str, str], name: str) -> Finding:
    lost = "; ".join(f"{column}: lost is {what}" for column, what in missing.items())
    columns = ", ".join(
        f"ADD COLUMN {column} {TYPES.get(column, 'text')}"
        + (" DEFAULT now()" if column == "created_at" else "")
        for column in missing
    )
    return warning(_WHAT, f"{name} lacks {lost}", f"ALTER TABLE {name} {columns};")


def _rights_missing(table: JobsTable, facts: Mapping[str, Any]) -> list[str]:
    """As GRANT spells them: by column, since they may be given by column."""
    return [
        f"{right} ({', '.join(columns)})"
        for right, columns in (
            ("SELECT", _of(table, READ, facts["unreadable"])),
            ("UPDATE", _of(table, WRITTEN, facts["unwritable"])),
        )
        if columns
    ]


def _of(table: JobsTable, needed: Collection[str], denied: Collection[str]) -> list[str]:
    return [column for column in needed if table.has(column) and column in denied]


def _grant(lacking: list[str], name: str, role: str) -> str:
    return f'GRANT {", ".join(lacking)} ON {name} TO "{role}";'


def _check_statuses(connection: Connection, table: JobsTable) -> Finding:
    what = "statuses"
    try:
        with connection.transaction() as cursor:
            cursor.execute(query("doctor_patience"))
            cursor.execute(query("doctor_statuses", jobs=table.identifier), {"known": [*_STATUSES]})
            found = {str(row["status"]): int(row["rows"]) for row in cursor.fetchall()}
    except DatabaseError as error:
        if isinstance(error.__cause__, psycopg2.errors.QueryCanceled):
            return ok(what, "not counted: the table is too large to be read within 5 s")
        return failed_by(what, error, "see the lines above")
    return judge_statuses(found)


def judge_statuses(found: Mapping[str, int]) -> Finding:
    """Rows whose status is none of ours."""
    what = "statuses"
    if not found:
        return ok(what, f"every row says one of {', '.join(_STATUSES)}")
    shown = [f"{word[:40]!r} ({rows} rows)" for word, rows in list(found.items())[:5]]
    more = ", and more" if len(found) > len(shown) else ""
    return warning(
        what,
        f"none of ours: {', '.join(shown)}{more}: such rows are left alone",
        "if they mean jobs that are to be followed, UPDATE them to queued or processing, and let"
        " the application write that",
    )
