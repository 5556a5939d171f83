"""The parts of a list of jobs in the order of a sort, each in the order of an index, if possible.

=======  ================================================================
created  (created_at, key) of the rows; those without a time come last
updated  (decided_at, key) of our own states: `job_state_decided`; rows that we
         have never seen come last, by the key
status   the key, for each status: its primary key, or (status, key)
id       the key: its primary key
=======  ================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from reconciler.store import states
from reconciler.store.columns import Column
from reconciler.store.connection import Cursor
from reconciler.store.cursors import Place
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.store.page_conditions import (
    STATUSES,
    Condition,
    of_created,
    of_other_statuses,
    of_statuses,
    that,
)
from reconciler.store.queries import query
from reconciler.store.table import JobsTable, identifier
from reconciler.store.table_rows import on_table

#: By `updated` the first part is one of our own states, and the second one of rows.
STATES, UNSEEN_ROWS = 0, 1


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that are ordered by one column, or none, and then by their keys."""

    number: int
    within: Condition
    descending: bool
    #: The column's name.
    column: str | None = None


def parts_of(table: JobsTable, job_filter: JobFilter, sort: Sort, descending: bool) -> list[Part]:
    """The parts of the list that are rows; by `updated` none, where only what we know tells."""
    wanted = of_statuses(table, job_filter.statuses)
    if sort is Sort.STATUS:
        return list(_by_status(table, job_filter, descending))
    if sort is Sort.UPDATED:
        told_by_us = job_filter.servers or job_filter.failures
        return [] if told_by_us else [Part(UNSEEN_ROWS, wanted, descending)]
    name = table.column("created_at") if sort is Sort.CREATED else None
    if name is None:
        return [Part(0, wanted, descending)]
    dated = Part(
        0, wanted & _is_null(name, "is not null") & of_created(table, job_filter), descending, name
    )
    if table.columns[name].not_null:
        return [dated]
    return [dated, Part(1, wanted & _is_null(name, "is null"), descending)]


def _by_status(table: JobsTable, job_filter: JobFilter, descending: bool) -> Iterator[Part]:
    """Words that the settings do not know come last: mostly there are none, which no index says."""
    wanted = job_filter.statuses or STATUSES
    order = list(enumerate(STATUSES))
    for number, status in reversed(order) if descending else order:
        if status in wanted and table.words_of(status):
            yield Part(number, of_statuses(table, frozenset({status})), True)
    if not job_filter.statuses:
        yield Part(len(STATUSES), of_other_statuses(table), True)


def read_rows(
    cursor: Cursor,
    table: JobsTable,
    part: Part,
    *,
    fields: sql.Composable,
    wanted: Condition,
    after: Place | None,
    window: int,
) -> list[dict[str, Any]]:
    """The next `window` rows of a part: those that are `wanted`, and the last one."""
    key = identifier("j", table.mapping.columns.id)
    value = sql.SQL("null::text") if part.column is None else identifier("j", part.column)
    by = [key] if part.column is None else [identifier("j", part.column), key]
    direction = sql.SQL(" desc" if part.descending else "")
    within = part.within & _behind(table, part, after)
    statement = on_table(
        table,
        "row_window",
        fields=fields,
        wanted=wanted.text,
        value=sql.SQL("{}::text").format(value),
        order=sql.SQL(", ").join(sql.SQL("{}{}").format(one, direction) for one in by),
        within=within.text,
    )
    cursor.execute(statement, {**within.values, **wanted.values, "window": window})
    return cursor.fetchall()


def read_states(
    cursor: Cursor, job_filter: JobFilter, descending: bool, after: Place | None, window: int
) -> list[dict[str, Any]]:
    """The same of what we know, by when it was decided."""
    within = [
        *(["s.failure = any(%(failures)s)"] if job_filter.failures else []),
        *(
            ["s.decided_at >= to_timestamp(%(after)s)"]
            if job_filter.ended_after is not None
            else []
        ),
        *(
            ["s.decided_at < to_timestamp(%(before)s)"]
            if job_filter.ended_before is not None
            else []
        ),
    ]
    if after is not None:
        operator = "<" if descending else ">"
        within.append(
            f"(s.decided_at, s.job_id) {operator} (%(value)s::timestamptz, %(key)s::text)"
        )
    statement = query(
        "state_window",
        state=states.COLUMNS,
        within=sql.SQL(" and ".join(within) or "true"),
        wanted=sql.SQL("s.server = any(%(servers)s)" if job_filter.servers else "true"),
        direction=sql.SQL("desc" if descending else "asc"),
    )
    values = {
        "failures": sorted(job_filter.failures),
        "servers": sorted(job_filter.servers),
        "after": job_filter.ended_after,
        "before": job_filter.ended_before,
        "value": after and after.value,
        "key": after and after.key,
        "window": window,
    }
    cursor.execute(statement, values)
    return cursor.fetchall()


def _behind(table: JobsTable, part: Part, after: Place | None) -> Condition:
    if after is None:
        return Condition()
    columns = [identifier("j", table.mapping.columns.id)]
    values = [sql.SQL("%(key)s::{}").format(table.id_type)]
    if part.column is not None:
        column: Column = table.columns[part.column]
        columns.insert(0, identifier("j", part.column))
        values.insert(0, sql.SQL("%(value)s::{}").format(column.base_type))
    text = sql.SQL("({}) {} ({})").format(
        sql.SQL(", ").join(columns),
        sql.SQL("<" if part.descending else ">"),
        sql.SQL(", ").join(values),
    )
    return that(text, key=after.key, value=after.value)


def _is_null(name: str, test: str) -> Condition:
    return that(sql.SQL("{} " + test).format(identifier("j", name)))
