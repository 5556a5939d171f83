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
        raise TableError(f"table {table.shown} does not fit the settings: " + "; ".join(problems))


def _lacking(table: JobsTable, lacking: Mapping[str, str]) -> str:
    fixes = [
        f"ALTER TABLE {table.shown} ADD COLUMN {name} {_TYPES[f]};" for f, name in lacking.items()
    ]
    return (
        f"table {table.shown} lacks the column {', '.join(lacking.values())} (it has:"
        f" {', '.join(sorted(table.columns))}); if one of these is meant, name it in jobs.columns"
        f" (`reconciler adopt` proposes it). What to do: {' '.join(fixes)}"
    )


def _columns(table: JobsTable) -> Iterator[str]:
    """Columns that the settings name and that are not there, or can not hold what is meant."""
    for field in ColumnSettings.model_fields:
        named = getattr(table.mapping.columns, field)
        key = f"jobs.columns.{field}"
        if isinstance(named, InsideColumn):
            column = table.columns.get(named.column)
            if column is None:
                yield f"{key} names the column {named.column}, which is not there: correct it"
            elif column.kind not in JSONS:
                yield f"{key} looks inside {named.column}, which is {column.type} and not json"
        elif isinstance(named, str):
            yield from _named(table, field, named)
    progress = table.column("progress")
    if (
        table.mapping.progress == "fraction"
        and progress is not None
        and table.columns[progress].kind in WHOLE_NUMBERS
    ):
        yield f"jobs.progress is fraction, but {progress} holds whole numbers: say percent"


def _named(table: JobsTable, field: str, name: str) -> Iterator[str]:
    key, column = f"jobs.columns.{field}", table.columns.get(name)
    if column is None:
        yield f"{key} names the column {name}, which is not there: correct it, or set it to false"
    elif column.kind not in READ.get(field, {column.kind}):
        fit = ", ".join(sorted(READ[field]))
        yield f"{key} names {name}, of type {column.type}; it should be one of: {fit}"
    elif field in (*WRITTEN, "status") and not column.writable:
        yield f"{key} names {name}, which cannot be written: it is computed"


def _statuses(table: JobsTable) -> Iterator[str]:
    """Words that an enumeration does not know."""
    column = table.columns[table.mapping.columns.status]
    for status in Status:
        words = getattr(table.mapping.statuses, status.value)
        known = table.words_of(status)
        named = status.value in table.mapping.statuses.model_fields_set
        if (status in NEEDED_STATUSES and not known) or (named and not {*words} <= {*known}):
            word = next(word for word in words if word not in known)
            yield (
                f"the type {column.type} of its statuses does not know {word!r}: say in"
                f" jobs.statuses.{status.value} which of its words is meant"
                f" ({', '.join(column.labels)}), or ALTER TYPE {column.type} ADD VALUE '{word}';"
            )
