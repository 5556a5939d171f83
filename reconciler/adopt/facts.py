"""What a database says about itself: the facts that a proposal is drawn from. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.adopt.quoting import quoted


class Kind(StrEnum):
    """What a relation is."""

    TABLE = "table"
    PARTITIONED = "partitioned table"
    VIEW = "view"
    MATERIALIZED = "materialized view"
    FOREIGN = "foreign table"


class Family(StrEnum):
    """What a type can hold, whatever it is called; a domain is what lies below it."""

    TEXT = "text"
    ENUM = "enum"
    WHOLE = "whole number"
    NUMBER = "number"
    BOOLEAN = "boolean"
    UUID = "uuid"
    #: A time that says its zone.
    INSTANT = "timestamptz"
    #: A time that does not.
    NAIVE = "timestamp"
    JSON = "json"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    #: As people write it: varchar(50).
    type: str
    family: Family
    not_null: bool = False
    #: The expression, as Postgres prints it.
    default: str | None = None
    #: The most characters it takes; None = no limit.
    max_length: int | None = None
    #: Digits before and after the point of a numeric(p, s); None = no limit.
    precision: tuple[int, int] | None = None
    #: The words of an enum, in its order.
    labels: tuple[str, ...] = ()
    #: CHECK constraints of this column alone, its domain's too.
    checks: tuple[str, ...] = ()
    #: The table that it refers to.
    references: str | None = None
    may_read: bool = True
    may_write: bool = True
    #: False where nobody can set it: a generated column, an expression in a view.
    updatable: bool = True

    @property
    def makes_itself(self) -> bool:
        """True for a key that the database hands out: a sequence, an identity, a random uuid."""
        known = ("nextval(", "gen_random_uuid(", "uuid_generate_v", "uuidv7(", "identity")
        return self.default is not None and any(part in self.default for part in known)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that fires when a row is updated."""

    name: str
    function: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A CHECK on several columns at once."""

    name: str
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class ColumnSample:
    """What was seen in some rows of one column."""

    #: Values that are not null.
    count: int = 0
    #: How many of them are different.
    distinct: int = 0
    #: Those that are canonical UUIDs, as ComfyUI's ids of prompts.
    uuids: int = 0
    #: Those that could be a file's path, and those that are a URL.
    paths: int = 0
    urls: int = 0
    #: Most rows that wait, or else have no result, have a value: it is what a job takes, not what
    #: it gives.
    early: bool = False
    #: Of numbers; of times in seconds since the epoch, a naive one read as UTC.
    least: float | None = None
    most: float | None = None
    #: Numbers that are not whole.
    fractions: int = 0
    #: Different texts, if there are few and short ones.
    words: tuple[str, ...] = ()
    #: Keys inside of json, from the outside in, with how often a whole number or a UUID was there.
    numbers_at: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    uuids_at: Mapping[tuple[str, ...], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen in a bounded part of a table."""

    #: How many rows.
    rows: int = 0
    columns: Mapping[str, ColumnSample] = field(default_factory=dict)
    #: Texts of each column that may be a status, with how many rows, the most frequent first.
    statuses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: How far naive times are from UTC, as times beside them show that know their zone; in seconds.
    utc_offset_s: float | None = None
    #: Why nothing, or not everything, could be looked at.
    trouble: str | None = None

    def of(self, column: str) -> ColumnSample:
        """What was seen of one column; nothing if it was not looked at."""
        return self.columns.get(column, ColumnSample())


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view that may hold jobs."""

    schema: str
    name: str
    kind: Kind
    columns: tuple[Column, ...]
    #: Columns of the primary key, then of other unique indexes.
    keys: tuple[tuple[str, ...], ...] = ()
    #: The first of `keys` is the primary key.
    has_primary_key: bool = False
    triggers: tuple[Trigger, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    #: As the planner estimates it; None = not known.
    rows: int | None = None
    #: True where its plain name finds it through the search path.
    visible: bool = True
    owned: bool = True
    may_use_schema: bool = True
    row_security: bool = False
    #: Whether a row can be updated: by itself, or by a trigger alone.
    updatable: bool = True
    updatable_by_trigger: bool = False
    #: What a view reads.
    sources: tuple[str, ...] = ()
    sample: Sample = Sample()

    def column(self, name: str) -> Column | None:
        """The column of that very name."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def setting(self) -> str:
        """As `database.jobs_table` has it."""
        parts = (
            [self.name] if self.visible and self.schema == "public" else [self.schema, self.name]
        )
        return ".".join(part if not set(part) & {".", '"'} else quoted(part) for part in parts)

    @property
    def quoted(self) -> str:
        """For statements that people run."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Database:
    """The database, and what we may do in it."""

    name: str
    role: str
    version: str
    #: The time zone of a session that sets none, and how far it is from UTC now, in seconds.
    timezone: str
    utc_offset_s: float
    #: Seconds since the epoch.
    now: float
    search_path: tuple[str, ...] = ("public",)
    may_create_schema: bool = True
    standby: bool = False
    #: Schemas in which we may create tables, and the names of the tables that are in each.
    schemas: Mapping[str, frozenset[str]] = field(default_factory=dict)
