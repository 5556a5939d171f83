"""A bounded look at a table's rows, and what it shows."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, product
from typing import Any

from psycopg2 import sql

from reconciler.adopt.facts import Column, ColumnSample, Family, Kind, Sample, Table
from reconciler.adopt.looking import Looking
from reconciler.adopt.words import meaning
from reconciler.core.jobs import Status
from reconciler.errors import DatabaseError
from reconciler.settings.jobs import MAX_WORD_LENGTH
from reconciler.store.queries import query

#: Rows whose statuses are counted, and rows that are looked at whole.
STATUS_ROWS, LOOKED_ROWS = 10_000, 500
MAX_WORDS, MAX_COLUMNS, MAX_TEXT, MAX_JSON_BYTES = 60, 80, 300, 65_536
#: How deep a value inside json is looked for.
MAX_DEPTH = 5
#: Zones differ from UTC by multiples of it, and by no more than that.
_QUARTER_S, _MAX_OFFSET_S = 900.0, 14 * 3600.0

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATH = re.compile(r"[^\n]*[/\\][^\n]*|[^\s]+\.[A-Za-z0-9]{2,5}")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_NO_RESULT = {Status.PROCESSING, Status.FAILED, Status.CANCELLED}
_NUMBERS = (Family.WHOLE, Family.NUMBER)
_TIMES = (Family.INSTANT, Family.NAIVE)


def sampled(look: Looking, table: Table, status_columns: Sequence[str]) -> Table:
    """The table with what some of its rows show; of a table that is indexed, the newest ones."""
    try:
        names = [c.name for c in table.columns if c.name in status_columns and c.may_read]
        statuses = {name: _statuses(look, table, name) for name in names}
        columns = [c for c in table.columns if c.may_read and c.family is not Family.OTHER]
        columns = columns[:MAX_COLUMNS]
        rows = _rows(look, table, columns) if columns else []
    except DatabaseError as error:
        return dataclasses.replace(table, sample=Sample(trouble=str(error)))
    values = {c.name: [row[f"c{n}"] for row in rows] for n, c in enumerate(columns)}
    return dataclasses.replace(table, sample=sample_of(columns, values, statuses))


def sample_of(
    columns: Sequence[Column],
    values: Mapping[str, Sequence[Any]],
    statuses: Mapping[str, Mapping[str, int]],
) -> Sample:
    """What rows show, given column by column."""
    said = list(zip(*(values[name] for name in statuses if name in values), strict=True))
    early = _saying(said, {Status.QUEUED}) or _saying(said, _NO_RESULT) or []
    seen = {c.name: summary(c, values[c.name], early) for c in columns}
    naive = [values[c.name] for c in columns if c.family is Family.NAIVE]
    known = [values[c.name] for c in columns if c.family is Family.INSTANT]
    rows = max(map(len, values.values()), default=0)
    return Sample(rows, seen, statuses, utc_offset_s=_offset_s(naive, known))


def _saying(said: Sequence[Sequence[Any]], wanted: Collection[Status]) -> list[bool] | None:
    """Which rows say one of these; None where none does."""
    says = [any(meaning(str(word)) in wanted for word in words) for words in said]
    return says if any(says) else None


def _offset_s(naive: Sequence[Sequence[Any]], known: Sequence[Sequence[Any]]) -> float | None:
    """The offset by which times without a zone differ from others in their row that were taken at
    the same moment: a multiple of a quarter of an hour, to the second, in most rows."""
    offsets = Counter(
        round(difference / _QUARTER_S) * _QUARTER_S
        for some, others in product(naive, known)
        for a, b in zip(some, others, strict=True)
        if a is not None
        and b is not None
        and math.isfinite(difference := a - b)
        and abs(difference - round(difference / _QUARTER_S) * _QUARTER_S) < 1
        and abs(difference) <= _MAX_OFFSET_S
    )
    rows = max((len(values) for values in naive), default=0)
    best = offsets.most_common(1)
    return best[0][0] if best and best[0][1] >= max(3, rows / 2) else None


def _statuses(look: Looking, table: Table, name: str) -> dict[str, int]:
    column = sql.Identifier(name)
    where = {"schema": table.schema, "table": table.name, "column": name}
    # No parameters: a % in a name would be taken for one.
    limits = {"rows": STATUS_ROWS, "words": MAX_WORDS, "text": MAX_TEXT}
    of_table = {"jobs": _jobs(table), "order": _order(table)}
    literals = {name: sql.Literal(limit) for name, limit in limits.items()}
    statement = query("adopt_statuses", column=column, **of_table, **literals)
    found = {row["word"]: row["rows"] for row in look.rows(statement)}
    frequent = look.rows(query("adopt_frequent"), where)
    return found | {word: 0 for row in frequent for word in row["words"] or () if word not in found}


def _rows(look: Looking, table: Table, columns: Sequence[Column]) -> list[dict[str, Any]]:
    cells = sql.SQL(", ").join(
        sql.SQL("{} as {}").format(_cell(c), sql.Identifier(f"c{n}")) for n, c in enumerate(columns)
    )
    of_table = {"jobs": _jobs(table), "order": _order(table)}
    return look.rows(query("adopt_rows", cells=cells, rows=sql.Literal(LOOKED_ROWS), **of_table))


def _cell(column: Column) -> sql.Composable:
    """What is fetched of a column: never a whole video that somebody keeps in a text."""
    name = sql.Identifier(column.name)
    if column.family in _TIMES:
        return sql.SQL("extract(epoch from {})::float8").format(name)
    if column.family is Family.JSON:
        # First as it is kept, which costs no reading: compressed, a hundredth may be left of it.
        return sql.SQL(
            "case when pg_column_size({0}) <= {1} then"
            " case when octet_length({0}::text) <= {1} then {0}::text end end"
        ).format(name, sql.Literal(MAX_JSON_BYTES))
    return sql.SQL("left({}::text, {})").format(name, sql.Literal(MAX_TEXT))


def _jobs(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def _order(table: Table) -> sql.Composable:
    """The newest first where an index gives them: by the key, which mostly counts up."""
    if table.kind is not Kind.TABLE or not table.keys:
        return sql.SQL("")
    column = table.column(table.keys[0][0])
    if column is None or not column.may_read:
        return sql.SQL("")
    return sql.SQL("order by {} desc").format(sql.Identifier(column.name))


def summary(column: Column, values: Sequence[Any], has_none: Sequence[bool] = ()) -> ColumnSample:
    """What the values of a column have in common; `has_none`: which rows have no result (yet)."""
    known = [value for value in values if value not in (None, "")]
    early = list(compress(values, has_none))
    texts = [str(value) for value in known]
    numbers = list(_numbers(known)) if column.family in (*_NUMBERS, *_TIMES) else []
    insides = list(_insides(texts)) if column.family is Family.JSON else []
    different = set(texts)
    few = len(different) <= MAX_WORDS and column.family in (Family.TEXT, Family.ENUM)
    return ColumnSample(
        count=len(known),
        distinct=len(different),
        uuids=sum(_UUID.fullmatch(text) is not None for text in texts),
        paths=sum(_PATH.fullmatch(text) is not None for text in texts),
        urls=sum(_URL.fullmatch(text) is not None for text in texts),
        early=2 * sum(value not in (None, "") for value in early) > len(early),
        least=min(numbers, default=None),
        most=max(numbers, default=None),
        fractions=sum(number != int(number) for number in numbers),
        words=tuple(sorted(different)) if few else (),
        numbers_at=Counter(path for path, is_uuid in insides if not is_uuid),
        uuids_at=Counter(path for path, is_uuid in insides if is_uuid),
    )


def _numbers(values: Iterable[Any]) -> Iterator[float]:
    for value in values:
        number = float(value)
        if math.isfinite(number):
            yield number


def _insides(texts: Iterable[str]) -> Iterator[tuple[tuple[str, ...], bool]]:
    for text in texts:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        yield from _leaves(value, ())


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Whole numbers (False) and UUIDs (True) in json. A node of a ComfyUI graph is not looked into:
    what it says is the node's, and its number differs from graph to graph."""
    if isinstance(value, dict):
        if len(path) < MAX_DEPTH and "class_type" not in value:
            for key, inside in value.items():
                if 0 < len(key) <= MAX_WORD_LENGTH:  # what a setting can name
                    yield from _leaves(inside, (*path, key))
    elif isinstance(value, int) and not isinstance(value, bool) and path:
        yield path, False
    elif isinstance(value, str) and path and _UUID.fullmatch(value):
        yield path, True
