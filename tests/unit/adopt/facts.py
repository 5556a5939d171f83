"""Tables as the catalog describes them, in a line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.adopt.facts import Column, ColumnSample, Database, Family, Kind, Sample, Table
from reconciler.adopt.proposal import Given, Proposal
from reconciler.adopt.recognise import recognise

UUID = "0f0e0d0c-1111-2222-3333-444455556666"
#: 2026-11-25 12:00 UTC.
NOW = 1_795_608_000.0
HERE = Database("prod", "app", "15.3", "Etc/UTC", 0.0, NOW)

_FAMILIES = {
    "integer": Family.WHOLE,
    "bigint": Family.WHOLE,
    "text": Family.TEXT,
    "varchar": Family.TEXT,
    "uuid": Family.UUID,
    "boolean": Family.BOOLEAN,
    "jsonb": Family.JSON,
    "timestamp": Family.NAIVE,
    "timestamptz": Family.INSTANT,
    "real": Family.NUMBER,
    "numeric": Family.NUMBER,
    "date": Family.OTHER,
    "bytea": Family.OTHER,
}


def column(name: str, type_name: str = "text", **more: Any) -> Column:
    """A column; the family follows from the type, and a word in capitals is an enum."""
    family = _FAMILIES.get(type_name.partition("(")[0], Family.ENUM)
    return Column(name, type_name, family, **more)


def table(
    *columns: Column,
    name: str = "production_jobs",
    seen: Mapping[str, ColumnSample] | None = None,
    statuses: Mapping[str, int] | None = None,
    **more: Any,
) -> Table:
    """A table with a key, a status and these columns."""
    there = {each.name: each for each in columns}
    usual = [
        column("id", "integer", not_null=True, default="nextval('s')"),
        column("status", default="'pending'::text"),
    ]
    names = {"keys": (("id",),), "has_primary_key": True, "kind": Kind.TABLE, "schema": "public"}
    return Table(
        **{**names, **more},
        name=name,
        columns=(*(each for each in usual if each.name not in there), *columns),
        sample=Sample(100 if seen or statuses else 0, seen or {}, {"status": statuses or {}}),
    )


def propose(of: Table, given: Given | None = None, database: Database = HERE) -> Proposal:
    """The proposal for a table."""
    return recognise(database, of, given or Given())


def value(proposal: Proposal, name: str, section: str = "columns") -> Any:
    """What is proposed for a column, or for a word with section="statuses"."""
    choice = proposal.choice("jobs", section, name)
    return None if choice is None else choice.value


def told(proposal: Proposal) -> str:
    """All sentences of a proposal."""
    notes = " ".join(f"{note.kind}: {note.text} {note.advice or ''}" for note in proposal.notes)
    return notes + " ".join(choice.reason for choice in proposal.choices)
