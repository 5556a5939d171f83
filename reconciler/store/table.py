"""The jobs table as it was found, and how the settings say that it is to be read and written."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from psycopg2 import sql

from reconciler.core.jobs import Status
from reconciler.settings.jobs import InsideColumn, JobsSettings
from reconciler.store.columns import JSONS, NAIVE_TIMES, NUMBERS, TEXTS, TIMES, Column

#: What is lost without each of the columns that a table may lack.
OPTIONAL: Mapping[str, str] = {
    "job_type": "thresholds by job type",
    "frames": "the check of the frame count, and runtime budgets by frames",
    "progress": "progress in the row (it stays in reconciler.job_state)",
    "output_path": "the path of the output in the row",
    "error": "the reason of a failure in the row",
    "created_at": "the age of rows that were there before us",
    "updated_at": "the time of the last change in the row",
    "completed_at": "the time of the end in the row",
}
#: Fields that we write, with the types that take what we write.
WRITTEN: Mapping[str, Collection[str]] = {
    "progress": NUMBERS,
    "output_path": TEXTS | JSONS,
    "error": TEXTS | JSONS,
    "updated_at": TIMES,
    "completed_at": TIMES,
}
#: Fields that only some types can be read as.
READ: Mapping[str, Collection[str]] = {**WRITTEN, "created_at": TIMES, "audio": {"boolean"}}
#: Where a row cannot do without a word for it.
NEEDED_STATUSES = (Status.QUEUED, Status.PROCESSING, Status.COMPLETED, Status.FAILED)
_NUMBER = re.compile(r"\(?'?(\d{1,9})(?:\.0*)?'?\)?(?:::[\w ]+)?")
#: What a key looks like as a text, where not every text is one, and how large it may be.
_KEYS = {
    "numeric": re.compile(r"-?\d{1,100}"),
    "uuid": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_WHOLE = re.compile(r"-?\d{1,19}")
_LIMITS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_NULL = sql.SQL("null")
#: Of a column of type json: escapes of no character, past which nothing is read. jsonb has none.
_BROKEN = r"\\u(0000|[dD][89a-fA-F])"
_PAIR = r"\\u[dD][89abAB]..\\u[dD][c-fC-F].."


def identifier(*names: str) -> sql.Identifier:
    """Quoted, for statements that are executed with parameters: a % would begin one."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def literal(value: str | list[str]) -> sql.Composable:
    """The same for a text, or an array of texts."""
    texts = [value] if isinstance(value, str) else value
    escaped = [text.replace("%", "%%") for text in texts]
    return sql.Literal(escaped[0] if isinstance(value, str) else escaped)


@dataclass(frozen=True, slots=True)
class JobsTable:
    """The jobs table. Its **fields** are the names of `settings.jobs.ColumnSettings`: what a column
    holds, whatever it is called."""

    #: Its name in parts, unquoted.
    name: tuple[str, ...]
    columns: Mapping[str, Column]
    mapping: JobsSettings = field(default_factory=JobsSettings)

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name, quoted."""
        return identifier(*self.name)

    @property
    def shown(self) -> str:
        """The table's name as people write it, quoted where it has to be."""
        return ".".join(map(_shown, self.name))

    @property
    def id_type(self) -> sql.SQL:
        """The type of the key."""
        return self.columns[self.mapping.columns.id].base_type

    @property
    def status_type(self) -> sql.SQL:
        """The type of the status: compared with an array of it, an index on it is used."""
        return self.columns[self.mapping.columns.status].base_type

    def named(self, field: str) -> str | None:
        """The column that the settings name for a field, or the usual one; None for none."""
        named = getattr(self.mapping.columns, field)
        if isinstance(named, InsideColumn) or named is False:
            return None
        return field if named is None else str(named)

    def column(self, field: str) -> str | None:
        """The column that holds a field and can; None where there is none."""
        name = self.named(field)
        found = None if name is None else self.columns.get(name)
        if found is None or found.kind not in READ.get(field, {found.kind}):
            return None
        return None if field in WRITTEN and not found.writable else name

    def source(self, field: str) -> str | None:
        """The column that a field is read from, be it only its inside."""
        inside = self._inside(field)
        return self.column(field) if inside is None else inside.column

    def has(self, field: str) -> bool:
        """True where there is something to read or write a field in."""
        return self.column(field) is not None or self._inside(field) is not None

    def takes(self, field: str) -> bool:
        """True where a field can be written."""
        name = self.column(field)
        return name is not None and self.columns[name].writable

    def missing(self) -> dict[str, str]:
        """Optional fields that are not there, and what is lost without each."""
        return {field: lost for field, lost in OPTIONAL.items() if not self.has(field)}

    def read(self, field: str) -> sql.Composable:
        """An expression for a field of the row `j`; null where there is none."""
        inside = self._inside(field)
        if inside is not None:
            return _inside(self.columns[inside.column], inside)
        name = self.column(field)
        return _NULL if name is None else identifier("j", name)

    def text(self, field: str) -> sql.Composable:
        """The same as a text; of a json column the text that we wrote as one."""
        name = self.column(field)
        is_json = name is not None and self.columns[name].kind in JSONS
        return sql.SQL("{} #>> '{{}}'" if is_json else "{}::text").format(self.read(field))

    def time(self, field: str) -> sql.Composable:
        """The same for an instant: seconds since the epoch, null where it is none, or one of a year
        that Python has no name for."""
        name = self.column(field)
        if name is None:
            return sql.SQL("null::float8")
        naive = self.columns[name].kind in NAIVE_TIMES
        zoned = "({column}::timestamp at time zone {zone})" if naive else "{column}"
        known = "{column} >= '0001-01-02' and {column} < '9999-12-31'"
        text = f"case when {known} then extract(epoch from {zoned})::float8 end"
        column, zone = identifier("j", name), literal(self.mapping.timezone)
        return sql.SQL(text).format(column=column, zone=zone)

    def could_be_key(self, text: str) -> bool:
        """False for a text that the type of the key refuses."""
        kind = self.columns[self.mapping.columns.id].kind
        if (limit := _LIMITS.get(kind)) is not None:
            return _WHOLE.fullmatch(text) is not None and -limit <= int(text) < limit
        shape = _KEYS.get(kind)
        return "\0" not in text and (shape is None or shape.fullmatch(text) is not None)

    def status_of(self, word: str | None) -> Status | None:
        """What a word of the table means; None for one that is not ours."""
        return next((s for s in Status if word in getattr(self.mapping.statuses, s.value)), None)

    def words_of(self, *statuses: Status) -> list[str]:
        """All words for these that the column can hold."""
        labels = self.columns[self.mapping.columns.status].labels
        words = [w for s in statuses for w in getattr(self.mapping.statuses, s.value)]
        return [word for word in words if not labels or word in labels]

    def word_of(self, status: Status) -> str:
        """The word to write; failed where the table has none for cancelled."""
        words = self.words_of(status)
        if not words and status is Status.CANCELLED:
            words = self.words_of(Status.FAILED)
        return words[0]

    @property
    def default_frames(self) -> int | None:
        """The plain number that frames have by default, as 120 or '120'::bigint. What has to be
        computed is nobody's default here."""
        name = self.column("frames")
        default = None if name is None else self.columns[name].default
        found = None if default is None else _NUMBER.fullmatch(default)
        return None if found is None else int(found[1])

    def _inside(self, field: str) -> InsideColumn | None:
        named = getattr(self.mapping.columns, field)
        return named if isinstance(named, InsideColumn) else None


def _shown(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _inside(column: Column, inside: InsideColumn) -> sql.Composable:
    """A text from inside a json column; null where the path leads nowhere."""
    values = {"column": identifier("j", inside.column), "path": literal(list(inside.path))}
    value = sql.SQL("({column} #>> {path})").format(**values)
    if column.kind == "jsonb":
        return value
    return sql.SQL(
        "(case when {column}::text !~ {broken}"
        " or regexp_replace({column}::text, {pair}, '', 'g') !~ {broken} then {value} end)"
    ).format(value=value, broken=literal(_BROKEN), pair=literal(_PAIR), **values)
