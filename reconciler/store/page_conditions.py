"""What a page asks of the jobs table, as SQL on its row `j`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

from reconciler.core.jobs import Status
from reconciler.store.columns import NAIVE_TIMES
from reconciler.store.job_filter import JobFilter
from reconciler.store.table import JobsTable, identifier, literal

#: A time that says no zone is ambiguous for an hour when the clocks are put back, in seconds.
AMBIGUOUS_S = 3600.0
#: In which order people look at statuses.
STATUSES = (
    *(Status.PROCESSING, Status.QUEUED),
    *(Status.FAILED, Status.COMPLETED, Status.CANCELLED),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """Conditions that all have to hold, with their values."""

    parts: tuple[sql.Composable, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> sql.Composable:
        """As SQL."""
        return sql.SQL(" and ").join(self.parts) if self.parts else sql.SQL("true")

    def __and__(self, other: Condition) -> Condition:
        """Both."""
        return Condition(self.parts + other.parts, {**self.values, **other.values})


def that(text: sql.Composable, **values: Any) -> Condition:
    """A condition."""
    return Condition((text,), values)


def of_statuses(table: JobsTable, statuses: frozenset[Status]) -> Condition:
    """The row's status is one of these; nothing is asked of it where there are none."""
    if not statuses:
        return Condition()
    condition = _status(table, "= any(%(words)s::text[]::{type}[])")
    return that(condition, words=table.words_of(*statuses))


def of_other_statuses(table: JobsTable) -> Condition:
    """The row's status is a word that the settings do not know."""
    condition = _status(table, "<> all(%(known)s::text[]::{type}[])")
    missing = _status(table, "is null")
    text = sql.SQL("({} or {})").format(missing, condition)
    return that(text, known=table.words_of(*Status))


def of_type(table: JobsTable, job_filter: JobFilter) -> Condition:
    """The row's job type is one of these."""
    if not job_filter.job_types:
        return Condition()
    text = sql.SQL("{}::text = any(%(types)s::text[])").format(table.read("job_type"))
    return that(text, types=sorted(job_filter.job_types))


def of_text(table: JobsTable, text: str | None, also: list[str]) -> Condition:
    """A text stands in the row, whatever the case of its letters; or the row is one of `also`."""
    if not text:
        return Condition()
    fields = [
        sql.SQL("{}::text").format(identifier("j", table.mapping.columns.id)),
        *(sql.SQL("{}::text").format(table.read(name)) for name in ("prompt_id", "job_type")),
        *(table.text(name) for name in ("error", "output_path")),
    ]
    found = [sql.SQL("{} ilike %(like)s").format(field) for field in fields]
    keys = sql.SQL("{} = any(%(also)s)").format(fields[0])
    condition = sql.SQL("({})").format(sql.SQL(" or ").join([*found, keys]))
    return that(condition, like=f"%{_literally(text)}%", also=also)


def of_created(table: JobsTable, job_filter: JobFilter) -> Condition:
    """The row may have been made within the time that is asked for: an index can tell."""
    name = table.column("created_at")
    if name is None:
        return Condition()
    bounds = (
        (">=", "made_after", job_filter.created_after, -AMBIGUOUS_S),
        ("<", "made_before", job_filter.created_before, AMBIGUOUS_S),
    )
    condition = Condition()
    for operator, key, instant, margin_s in bounds:
        if instant is not None:
            text = sql.SQL(f"{{}} {operator} {_instant(table, name)}").format(
                identifier("j", name),
                key=sql.Placeholder(key),
                zone=literal(table.mapping.timezone),
            )
            condition &= that(text, **{key: instant + margin_s})
    return condition


def _instant(table: JobsTable, name: str) -> str:
    """Seconds since the epoch as the column has times."""
    naive = table.columns[name].kind in NAIVE_TIMES
    return "(to_timestamp({key}) at time zone {zone})" if naive else "to_timestamp({key})"


def _status(table: JobsTable, text: str) -> sql.Composable:
    status = identifier("j", table.mapping.columns.status)
    return sql.SQL("{status} " + text).format(status=status, type=table.status_type)


def _literally(text: str) -> str:
    """As LIKE understands it: what stands for anything stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
