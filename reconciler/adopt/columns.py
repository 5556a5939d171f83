"""Which column holds what."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from reconciler.adopt import names
from reconciler.adopt.facts import Column, ColumnSample, Family, Table
from reconciler.adopt.proposal import Choice, Confidence, Given
from reconciler.adopt.roles import FRAMES, PROMPT_ID, Role
from reconciler.settings.jobs import InsideColumn

_JSON_ROLES = {FRAMES.setting, PROMPT_ID.setting}


#: Why there is no column for a setting.
NONE = "no column is called so"


def choose(role: Role, table: Table, given: Given, taken: Collection[str | None] = ()) -> Choice:
    """The column for a setting, or False where there is none, with the reason.

    `taken` are columns that hold something else already.
    """
    setting = ("jobs", "columns", role.setting)
    told = given.columns.get(role.setting)
    if told is not None and (kept := _kept(role, table, told)):
        return kept
    fitting, refused = _candidates(role, table, taken)
    inside = _inside(role, table) if role.setting in _JSON_ROLES else []
    if fitting:
        first, others = fitting[0], [*(c.name for c in fitting[1:]), *(shown(v) for v in inside)]
        confidence, reason = _why(role, first, table.sample.of(first.name))
        return Choice(setting, first.name, confidence, reason, tuple(others))
    if inside:
        value, (count, rows) = inside[0], _count(role, table, inside[0])
        reason = f"there in {count} of {rows} rows seen"
        others = [shown(v) for v in inside[1:]]
        return Choice(
            setting, value.model_dump(mode="json"), Confidence.LIKELY, reason, tuple(others)
        )
    reason = "; ".join(f"{column.name} {why}" for column, why in refused) or NONE
    return Choice(setting, False, Confidence.CERTAIN, reason, lost=role.lost)


def shown(value: Any) -> str:
    """A column, or a place inside one, in one word."""
    if isinstance(value, InsideColumn):
        value = value.model_dump()
    return ".".join([value["column"], *value["path"]]) if isinstance(value, dict) else str(value)


def column_of(value: Any) -> str | None:
    """The column that a choice is about; None for False."""
    found = value["column"] if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _kept(role: Role, table: Table, told: Any) -> Choice | None:
    """What the settings say, if the table has it."""
    name = column_of(told)
    if told is False and role is PROMPT_ID:
        return None  # there was no such column once; nobody does without one that is there
    column = table.column(name) if name else None
    if name and column is None:
        return None
    lost = role.lost if told is False else None
    return Choice(
        ("jobs", "columns", role.setting), told, Confidence.GIVEN, "the settings say so", lost=lost
    )


def _candidates(
    role: Role, table: Table, taken: Collection[str | None]
) -> tuple[list[Column], list[tuple[Column, str]]]:
    """Columns that are called so: those that can be it, best first, and those that cannot."""
    ranked = [(names.rank(c.name, role.patterns), c) for c in table.columns if c.name not in taken]
    called = sorted(
        ((rank, c) for rank, c in ranked if rank is not None),
        # The setting's own column comes first, and what has values before what has none.
        key=lambda pair: (
            pair[1].name != role.default,
            table.sample.rows > 0 and not table.sample.of(pair[1].name).count,
            pair[0],
        ),
    )
    judged = [(c, role.refused(c, table.sample.of(c.name))) for _, c in called]
    return [c for c, why in judged if why is None], [(c, why) for c, why in judged if why]


def _why(role: Role, column: Column, seen: ColumnSample) -> tuple[Confidence, str]:
    if role is PROMPT_ID and column.family is Family.TEXT and seen.uuids:
        return Confidence.CERTAIN, f"UUIDs in {seen.uuids} of {seen.count} values seen"
    if column.name == role.default:
        return Confidence.CERTAIN, f"the usual name, {column.type}"
    return Confidence.LIKELY, f"by its name, {column.type}"


def _inside(role: Role, table: Table) -> list[InsideColumn]:
    """Places inside json columns that are called so, the most frequent and the shallowest first."""
    found = [
        (_found(role, table.sample.of(column.name)).get(path, 0), path, column.name)
        for column in table.columns
        if column.family is Family.JSON
        for path in _found(role, table.sample.of(column.name))
        if names.rank(path[-1], role.patterns) is not None
    ]
    best = sorted(found, key=lambda each: (-each[0], len(each[1]), each[2], each[1]))
    return [InsideColumn(column=column, path=path) for _, path, column in best]


def _found(role: Role, seen: ColumnSample) -> dict[tuple[str, ...], int]:
    return dict(seen.numbers_at if role is FRAMES else seen.uuids_at)


def _count(role: Role, table: Table, place: InsideColumn) -> tuple[int, int]:
    seen = table.sample.of(place.column)
    return _found(role, seen)[place.path], table.sample.rows
