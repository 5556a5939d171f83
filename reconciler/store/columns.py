"""The columns of a table as Postgres describes them, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql

from reconciler.store.connection import Cursor
from reconciler.store.queries import query

TEXTS = frozenset({"text", "character varying", "bpchar", "character", "citext"})
JSONS = frozenset({"json", "jsonb"})
WHOLE_NUMBERS = frozenset({"smallint", "integer", "bigint"})
NUMBERS = WHOLE_NUMBERS | {"numeric", "real", "double precision"}
#: The types of an instant that say no time zone.
NAIVE_TIMES = frozenset({"timestamp without time zone", "date"})
TIMES = NAIVE_TIMES | {"timestamp with time zone"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Types are spelt as Postgres formats them, without a length."""

    type: str
    #: What the type is made of, where it is a domain; else the type itself.
    base: str = ""
    #: Characters that fit; None where there is no limit.
    max_length: int | None = None
    not_null: bool = False
    #: False for a generated one, and for an expression of a view.
    writable: bool = True
    #: What it has by default, as an expression.
    default: str | None = None
    #: The words of an enumeration.
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The type that decides what it can hold."""
        return self.base or self.type

    @property
    def base_type(self) -> sql.SQL:
        """The type to compare it with: a domain might refuse what it is compared with."""
        return sql.SQL(self.kind)


def columns_of(cursor: Cursor, table: str) -> dict[str, Column]:
    """The columns of a table or view (its name as SQL spells it); none if it is not there."""
    cursor.execute(query("columns"), {"table": table})
    return {
        row.pop("name"): Column(**{**row, "labels": tuple(row["labels"])})
        for row in map(dict, cursor.fetchall())
    }
