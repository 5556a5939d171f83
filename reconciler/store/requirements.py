"""What a jobs table must be like, and what to do about one that is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.jobs import Status
from reconciler.errors import TableError
from reconciler.settings.jobs import ColumnSettings, InsideColumn
from reconciler.store.columns import JSONS, WHOLE_NUMBERS
from reconciler.store.table import NEEDED_STATUSES, READ, WRITTEN, JobsTable

#: Without these no job can be followed.
NEEDED = ("id", "status", "prompt_id")
_TYPES = {"status": "text not null default 'queued'", "prompt_id": "text", "id": "bigserial"}

#: What is wrong, and what to do about it.
Problem = tuple[str, str]


def require(table: JobsTable, relation: Mapping[str, Any]) -> None:
    """Raises TableError, with everything that makes the table unusable."""
    if not relation["updatable"]:
        raise TableError(
            f"{table.shown} is a view that cannot be updated. What to do: name the table behind it"
            " in database.jobs_table, or give it an INSTEAD OF UPDATE trigger"
        )
    lacking = {
        f: str(table.named(f)) for f in NEEDED if table.named(f) not in (None, *table.columns)
    }
    if lacking:
        raise TableError(_lacking(table, lacking))
    problems = [*_columns(table), *_statuses(table)]
    if problems:
        wrong, todo = (list(dict.fromkeys(told)) for told in zip(*problems, strict=True))
        raise TableError(
            f"table {table.shown} does not fit the settings: {'; '.join(wrong)}."
            f" What to do: {'; '.join(todo)};"
        )


def _lacking(table: JobsTable, lacking: Mapping[str, str]) -> str:
    fixes = [
        f"ALTER TABLE {table.shown} ADD COLUMN {name} {_TYPES[f]};" for f, name in lacking.items()
    ]
    return (
        f"table {table.shown} lacks the column {', '.join(lacking.values())} (it has:"
        f" {', '.join(sorted(table.columns))}); if one of these is meant, name it in jobs.columns"
        f" (`reconciler adopt` proposes it). What to do: {' '.join(fixes)}"
    )


def _columns(table: JobsTable) -> Iterator[Problem]:
    """Columns that the settings name and that are not there, or cannot hold what is meant."""
    for field in ColumnSettings.model_fields:
        named = getattr(table.mapping.columns, field)
        if isinstance(named, InsideColumn):
            yield from _inside(table, field, named)
        elif isinstance(named, str):
            yield from _named(table, field, named)
    progress = table.column("progress")
    whole = progress is not None and table.columns[progress].kind in WHOLE_NUMBERS
    if whole and table.mapping.progress == "fraction":
        yield f"its {progress} holds whole numbers, no fractions", "set jobs.progress to percent"


def _inside(table: JobsTable, field: str, inside: InsideColumn) -> Iterator[Problem]:
    key, column = f"jobs.columns.{field}", table.columns.get(inside.column)
    if column is None:
        yield f"{key} looks inside {inside.column}, which is not there", f"correct {key}"
    elif column.kind not in JSONS:
        wrong = f"{key} looks inside {inside.column}, which is {column.type} and not json"
        yield wrong, f"correct {key}"


def _named(table: JobsTable, field: str, name: str) -> Iterator[Problem]:
    key, column = f"jobs.columns.{field}", table.columns.get(name)
    todo = f"correct {key}, or set it to false"
    if column is None:
        yield f"{key} names the column {name}, which is not there", todo
    elif column.kind not in READ.get(field, {column.kind}):
        fit = ", ".join(sorted(READ[field]))
        yield f"{key} names {name}, which is {column.type} and none of {fit}", todo
    elif field in (*WRITTEN, "status") and not column.writable:
        yield f"{key} names {name}, which is computed and cannot be written", todo


def _statuses(table: JobsTable) -> Iterator[Problem]:
    """Words that an enumeration does not know, and that are needed or were named."""
    column = table.columns[table.mapping.columns.status]
    lacking = [word for status in Status for word in _unknown(table, status)]
    if lacking:
        wrong = (
            f"the type {column.type} of column {table.mapping.columns.status} does not know:"
            f" {', '.join(lacking)} (it knows {', '.join(column.labels)}: if one of them is meant,"
            " say so in jobs.statuses)"
        )
        quoted = ["'" + word.replace("'", "''") + "'" for word in lacking]
        yield wrong, "; ".join(f"ALTER TYPE {column.type} ADD VALUE {word}" for word in quoted)


def _unknown(table: JobsTable, status: Status) -> list[str]:
    words, known = getattr(table.mapping.statuses, status.value), table.words_of(status)
    named = status.value in table.mapping.statuses.model_fields_set
    is_needed = status in NEEDED_STATUSES and not known
    return [word for word in words if word not in known] if named or is_needed else []
