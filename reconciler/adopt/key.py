"""The one column that tells rows apart."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adopt import names
from reconciler.adopt.facts import Column, Family, Kind, Table
from reconciler.adopt.proposal import Choice, Confidence, Given, Note, NoteKind
from reconciler.adopt.quoting import quoted

SETTING = ("jobs", "columns", "id")
_FAMILIES = (Family.WHOLE, Family.TEXT, Family.UUID)
#: What a key is called where only its name tells.
_USUAL = ("id", "job_id", "uuid", "job_uuid")


def recognise_key(table: Table, given: Given) -> Choice | Note:
    """The key, or a problem that says why there is none."""
    told = given.columns.get("id")
    if told is not None and table.column(told) is not None:
        return Choice(SETTING, told, Confidence.GIVEN, "the settings say so")
    single = [(column, keys == 0) for keys, column in _single(table)]
    usable = sorted(
        (pair for pair in single if pair[0].not_null and pair[0].family in _FAMILIES),
        key=lambda pair: (not pair[1], names.rank(pair[0].name, _USUAL) is None),
    )
    if usable:
        first, is_primary = usable[0]
        what = "the primary key" if is_primary and table.has_primary_key else "unique and not null"
        others = tuple(column.name for column, _ in usable[1:])
        return Choice(SETTING, first.name, Confidence.CERTAIN, f"{what}, {first.type}", others)
    return _without_index(table) or _problem(table, [column for column, _ in single])


def _single(table: Table) -> Iterator[tuple[int, Column]]:
    for number, key in enumerate(table.keys):
        column = table.column(key[0]) if len(key) == 1 else None
        if column is not None:
            yield number, column


def _without_index(table: Table) -> Choice | None:
    """A view has no index, and each partition one of its own: then a column of a usual name."""
    called = [column for column in table.columns if names.rank(column.name, _USUAL) is not None]
    for column in sorted(called, key=lambda c: names.rank(c.name, _USUAL) or 0):
        if column.family not in _FAMILIES:
            continue
        seen = table.sample.of(column.name)
        if table.kind is Kind.VIEW and seen.count == seen.distinct:
            why = f"a view has no key; its {seen.count} values seen are different"
            return Choice(SETTING, column.name, Confidence.ASSUMED, why)
        in_key = any(column.name in key for key in table.keys)
        if table.kind is Kind.PARTITIONED and in_key and column.makes_itself:
            why = f"part of the primary key; {column.default} gives no value twice"
            return Choice(SETTING, column.name, Confidence.LIKELY, why)
    return None


def _problem(table: Table, single: list[Column]) -> Note:
    if single:
        column = single[0]
        if column.family not in _FAMILIES:
            text = f"its key {column.name} is of type {column.type}: no number, text or uuid"
            return Note(NoteKind.PROBLEM, text)
        advice = f"ALTER TABLE {table.quoted} ALTER COLUMN {quoted(column.name)} SET NOT NULL;"
        return Note(NoteKind.PROBLEM, f"its key {column.name} may be null", advice)
    if table.keys:
        columns = " and ".join(table.keys[0])
        text = f"its key is {columns} together; one column has to tell rows apart"
    else:
        text = "it has no key: nothing tells its rows apart for sure"
    advice = f"ALTER TABLE {table.quoted} ADD COLUMN job_key bigserial UNIQUE NOT NULL;"
    return Note(NoteKind.PROBLEM, text, None if table.kind is Kind.VIEW else advice)
