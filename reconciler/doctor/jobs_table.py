"""The jobs table: its columns, our rights on it, and what in it would surprise us."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import psycopg2.errors

from reconciler.core.jobs import Status
from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.errors import DatabaseError, TableError
from reconciler.settings.jobs import JobsSettings
from reconciler.settings.postgres import table_parts
from reconciler.store import table as table_fields
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.schema import find_table, quoted
from reconciler.store.table import JobsTable, identifier

#: A table without an index on status is read whole once a second; up to here that is nothing.
SMALL_BYTES = 8 * 2**20
#: A page of the list of jobs may read so much: some tenths of a second.
LARGE_BYTES = 64 * 2**20
#: The fields that a pass reads and writes, as far as the table has them.
READ = (
    *("id", "status", "prompt_id"),
    *("job_type", "frames", "progress", "output_path", "created_at", "server"),
)
WRITTEN = ("status", "prompt_id", *table_fields.WRITTEN)
#: Types of the optional columns, for the statement that adds them.
TYPES = {
    "frames": "integer",
    "progress": "integer",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "completed_at": "timestamptz",
}

_WHAT = "jobs table"


def check_jobs_table(
    connection: Connection, name: str, role: str, mapping: JobsSettings
) -> Iterator[Finding]:
    """Whether the table can be followed and written, or made where it is not there."""
    parts = table_parts(name)
    with connection.transaction() as cursor:
        table_name = quoted(cursor, parts)
        schema = parts[0] if len(parts) == 2 else None
        cursor.execute(query("doctor_place"), {"table": table_name, "schema": schema})
        place = cursor.fetchone()
    assert place is not None
    if not place["found"] and mapping == JobsSettings():
        yield judge_place(place, name, role)
        return
    try:
        table = find_table(connection, name, mapping)
    except TableError as error:
        yield failed_by(_WHAT, error, "run `reconciler adopt`, which looks for what fits")
        return
    with connection.transaction() as cursor:
        values = {
            "table": table_name,
            "status": mapping.columns.status,
            "created_at": table.column("created_at"),
        }
        cursor.execute(query("doctor_table"), values)
        facts = cursor.fetchone()
    assert facts is not None
    yield from judge_table(table, facts, table.shown, role)
    if mapping.columns.status not in facts["unreadable"]:
        yield _check_statuses(connection, table)


def judge_place(place: Mapping[str, Any], name: str, role: str) -> Finding:
    """There is no such table: may we make it?"""
    schema = place["schema"]
    if schema is None:
        return failed(
            _WHAT,
            f"there is no table {name}, and no schema to make it in",
            "create it, or let `reconciler adopt` find yours",
        )
    if not place["may_create"]:
        return failed(
            _WHAT,
            f"there is no table {name}, and user {role} may not create it",
            f'GRANT CREATE ON SCHEMA "{schema}" TO "{role}"; or let `reconciler adopt` find yours',
        )
    return warning(
        _WHAT,
        f"there is no table {name} yet",
        "if your application has one, run `reconciler adopt`; else `reconciler run` creates it",
    )


def judge_table(
    table: JobsTable, facts: Mapping[str, Any], name: str, role: str
) -> Iterator[Finding]:
    """What can be said of a table by its description alone."""
    missing = {field: lost for field, lost in table.missing().items() if _is_wanted(table, field)}
    if facts["owned"]:
        missing.pop("updated_at", None)  # `reconciler run` adds it
    if missing:
        yield _columns_missing(table, missing, name)
    if lacking := _rights_missing(table, facts):
        yield failed(
            _WHAT, f"user {role} lacks {', '.join(lacking)} on {name}", _grant(lacking, name, role)
        )
    else:
        size = f"{facts['size_bytes'] / 2**20:.1f} MiB"
        yield ok(_WHAT, f"{name}: {len(table.columns)} columns, {size}, may be read and written")
    if table.status_of(table.word_of(Status.CANCELLED)) is Status.FAILED:
        yield ok(_WHAT, "it has no word for cancelled: such jobs are set to failed")
    if facts["row_security"]:
        yield warning(
            _WHAT,
            f"row-level security is on for user {role}: rows may be hidden from us",
            f'ALTER ROLE "{role}" BYPASSRLS; or a policy that lets {role} see every row',
        )
    if not facts["indexed"] and facts["size_bytes"] > SMALL_BYTES:
        column = _spelt(table.mapping.columns.status)
        words = ", ".join(map(_text, table.words_of(Status.QUEUED, Status.PROCESSING)))
        yield warning(
            _WHAT,
            f"{name} is large, without an index on {column}: it is read whole every second",
            f"CREATE INDEX CONCURRENTLY ON {name} ({column}) WHERE {column} IN ({words});",
        )
    made = table.column("created_at")
    if made and not facts["created_indexed"] and facts["size_bytes"] > LARGE_BYTES:
        index = f"CREATE INDEX CONCURRENTLY ON {name} ({_spelt(made)});"
        yield ok(_WHAT, f"each page of jobs by their age reads all of {name}; quicker with {index}")


def _is_wanted(table: JobsTable, field: str) -> bool:
    """False for what the settings do without."""
    return getattr(table.mapping.columns, field) is not False


def _columns_missing(table: JobsTable, missing: Mapping[str, str], name: str) -> Finding:
    """A column of that name that holds something else is told of as well."""
    unfit = {field: column for field in missing if (column := table.columns.get(field))}
    lost = "; ".join(
        (f"{field} is {unfit[field].type}" if field in unfit else field) + f": lost is {what}"
        for field, what in missing.items()
    )
    added = ", ".join(
        f"ADD COLUMN {field} {TYPES.get(field, 'text')}"
        + (" DEFAULT now()" if field == "created_at" else "")
        for field in missing
        if field not in unfit
    )
    advice = f"ALTER TABLE {name} {added};" if added else "name another column in jobs.columns"
    return warning(_WHAT, f"{name} lacks {lost}", advice)


def _rights_missing(table: JobsTable, facts: Mapping[str, Any]) -> list[str]:
    """As GRANT spells them: by column, since they may be given by column."""
    return [
        f"{right} ({', '.join(map(_spelt, columns))})"
        for right, columns in (
            ("SELECT", _denied(columns_read(table), facts["unreadable"])),
            ("UPDATE", _denied(columns_written(table), facts["unwritable"])),
        )
        if columns
    ]


def columns_read(table: JobsTable) -> list[str]:
    """The columns that a pass reads."""
    return list(dict.fromkeys(column for f in READ if (column := table.source(f)) is not None))


def columns_written(table: JobsTable) -> list[str]:
    """The columns that a pass writes."""
    return [str(table.column(field)) for field in WRITTEN if table.takes(field)]


def _denied(needed: Collection[str], denied: Collection[str]) -> list[str]:
    return [column for column in needed if column in denied]


def _grant(lacking: list[str], name: str, role: str) -> str:
    return f'GRANT {", ".join(lacking)} ON {name} TO "{role}";'


def _check_statuses(connection: Connection, table: JobsTable) -> Finding:
    what, words = "statuses", table.words_of(*Status)
    column = identifier(table.mapping.columns.status)
    statement = query("doctor_statuses", jobs=table.identifier, status=column)
    try:
        with connection.transaction() as cursor:
            cursor.execute(query("doctor_patience"))
            cursor.execute(statement, {"known": words})
            found = {str(row["status"]): int(row["rows"]) for row in cursor.fetchall()}
    except DatabaseError as error:
        if isinstance(error.__cause__, psycopg2.errors.QueryCanceled):
            return ok(what, "not counted: the table is too large to be read within 5 s")
        return failed_by(what, error, "see the lines above")
    return judge_statuses(found, words)


def judge_statuses(found: Mapping[str, int], words: Collection[str]) -> Finding:
    """Rows whose status is none of ours."""
    what = "statuses"
    if not found:
        return ok(what, f"every row says one of {', '.join(words)}")
    shown = [f"{word[:40]!r} ({rows} rows)" for word, rows in list(found.items())[:5]]
    more = ", and more" if len(found) > len(shown) else ""
    return warning(
        what,
        f"none of ours: {', '.join(shown)}{more}: such rows are left alone",
        "if they mean jobs that are to be followed, say in jobs.statuses what they mean, or UPDATE"
        " them to queued or processing, and let the application write that",
    )


def _spelt(name: str) -> str:
    """A name as SQL spells it."""
    return name if name.isidentifier() and name.islower() else '"' + name.replace('"', '""') + '"'


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
