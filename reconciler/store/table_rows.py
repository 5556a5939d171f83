"""Reading and writing rows of the jobs table, which is somebody else's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

from reconciler.core.expecting import COLUMNS
from reconciler.core.jobs import Status
from reconciler.store import table as tables
from reconciler.store.clean import clean_text
from reconciler.store.columns import JSONS, NAIVE_TIMES
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.records import JobRecord, RowChange, Write
from reconciler.store.table import JobsTable, identifier, literal

Row = dict[str, Any]
#: Of the fields that a pass needs, those that are read as they are.
_PLAIN = ("progress", *COLUMNS)
#: What may be written beside the status.
WRITTEN = ("prompt_id", *tables.WRITTEN)


class TableRows:
    """The statements on one jobs table. Every method takes a cursor of the rows' database."""

    def __init__(self, table: JobsTable) -> None:
        self._table = table
        self._fields = _joined([*_fields_of_all(table), *_fields_of_pass(table)])
        #: What is the same of all rows.
        self._of_all = {
            "default_frames": table.default_frames,
            "takes_prompt_id": table.takes("prompt_id"),
            "takes_progress": table.takes("progress"),
        }

    def open(self, cursor: Cursor) -> dict[str, Row]:
        """The rows that are queued or processing, by key."""
        words = self._table.words_of(Status.QUEUED, Status.PROCESSING)
        return self._read(cursor, "open_rows", {"words": words})

    def by_id(self, cursor: Cursor, job_ids: Collection[str]) -> dict[str, Row]:
        """Those of these rows that are there."""
        if not job_ids:
            return {}
        return self._read(cursor, "rows_by_id", {"job_ids": list(job_ids)})

    def view(
        self, cursor: Cursor, *, limit: int | None = None, job_ids: Collection[str] | None = None
    ) -> dict[str, Row]:
        """Rows as people look at them, open ones first, then the newest: these, or all."""
        where = sql.SQL("where j.{} = any(%(job_ids)s::text[]::{}[])").format(
            identifier(self._table.mapping.columns.id), self._table.id_type
        )
        statement = self.query(
            "view_rows",
            fields=_joined([*_fields_of_all(self._table), *_fields_of_view(self._table)]),
            where=sql.SQL("") if job_ids is None else where,
            created_at=self._table.time("created_at"),
        )
        values = {
            "limit": limit,
            "job_ids": list(job_ids or ()),
            "processing": self._table.words_of(Status.PROCESSING),
            "queued": self._table.words_of(Status.QUEUED),
        }
        cursor.execute(statement, values)
        return {row["job_id"]: self._understood(row) for row in cursor.fetchall()}

    def known(self, cursor: Cursor, job_ids: Collection[str]) -> set[str]:
        """Which of these texts are keys of rows."""
        keys = [job_id for job_id in job_ids if self._table.could_be_key(job_id)]
        cursor.execute(self.query("known_rows"), {"job_ids": keys})
        return {row["job_id"] for row in cursor.fetchall()}.intersection(keys)

    def count(self, cursor: Cursor) -> int:
        """How many rows the table has."""
        cursor.execute(self.query("count_rows"), {})
        row = cursor.fetchone()
        return 0 if row is None else int(row["number"])

    def write(self, cursor: Cursor, writes: Sequence[Write]) -> set[str]:
        """Writes rows that say still what they said when they were read. Returns their keys.

        One statement for each set of columns that is written: what a decision does not touch is
        not named, since it may be forbidden to us, and a trigger may wait for it.
        """
        written: set[str] = set()
        groups: dict[tuple[str, ...], list[Row]] = {}
        for write in writes:
            values = self._assigned(write.record, write.change)
            fields = tuple(
                field for field in WRITTEN if field in values and self._table.takes(field)
            )
            groups.setdefault(fields, []).append(values)
        if groups:
            self._as_the_application(cursor)
        for fields, rows in groups.items():
            statement = self.query("write_rows", assignments=self._assignments(fields))
            values = {"rows": Json(rows), "job_ids": [row["id"] for row in rows]}
            cursor.execute(statement, values)
            written |= {row["job_id"] for row in cursor.fetchall()}
        return written

    def fill_prompt_ids(self, cursor: Cursor, prompt_ids: Mapping[str, str]) -> None:
        """Rows, by key, learn their prompts where they name none."""
        column = self._table.column("prompt_id")
        if column is None or not prompt_ids:
            return
        rows = [{"id": job, "prompt_id": prompt} for job, prompt in prompt_ids.items()]
        types = {"prompt_column": identifier(column), "prompt_type": self._type(column)}
        self._as_the_application(cursor)
        values = {"rows": Json(rows), "job_ids": list(prompt_ids)}
        cursor.execute(self.query("fill_prompt_ids", **types), values)

    def query(self, name: str, **fragments: sql.Composable) -> sql.Composed:
        """A statement on this table."""
        table, columns = self._table, self._table.mapping.columns
        return query(
            name,
            jobs=table.identifier,
            id=identifier(columns.id),
            id_type=table.id_type,
            status=identifier(columns.status),
            status_type=table.status_type,
            prompt_id=table.read("prompt_id"),
            **fragments,
        )

    def _as_the_application(self, cursor: Cursor) -> None:
        """Its triggers may write times without a zone: as in its own sessions."""
        cursor.execute(query("as_the_application"), {"timezone": self._table.mapping.timezone})

    def _read(self, cursor: Cursor, name: str, values: Mapping[str, Any]) -> dict[str, Row]:
        cursor.execute(self.query(name, fields=self._fields), values)
        return {row["job_id"]: self._understood(row) for row in cursor.fetchall()}

    def _understood(self, row: Mapping[str, Any]) -> Row:
        """The row in our words: its status, or None where its word is none of ours."""
        status = self._table.status_of(row["row_word"])
        return {
            **row,
            "row_status": None if status is None else status.value,
            "row_progress": percent_of(row["progress"], self._table),
            **self._of_all,
        }

    def _assigned(self, record: JobRecord, change: RowChange) -> Row:
        """What `write_rows` is told of a row: its guards, its status, and the fields to be set."""
        values: Row = {
            "id": record.job.id,
            "from_word": record.row_word,
            "row_prompt_id": record.row_prompt_id,
            "word": self._word(record, change),
            "updated_at": True,
        }
        if record.row_prompt_id is None and change.prompt_id is not None:
            values["prompt_id"] = change.prompt_id
        if change.progress not in (None, record.progress):  # the application may write its own
            values["progress"] = change.progress
        if change.output_path is not None:
            values["output_path"] = clean_text(change.output_path)
        if change.status is Status.FAILED or self._says_failed_instead(change):
            code = change.failure.value if change.failure else change.status.value
            values["error"] = clean_text(f"{code}: {change.reason}")
        elif record.job.status is Status.FAILED or change.status is Status.COMPLETED:
            # "warning" is no failure code: whoever reads the row alone is told as well.
            values["error"] = clean_text(f"warning: {change.warning}") if change.warning else None
        if change.status.is_final and change.status is not record.job.status:
            values["completed_at"] = True
        return values

    def _word(self, record: JobRecord, change: RowChange) -> str:
        """A row that means the status already keeps its word for it."""
        same = change.status.value == record.row_status
        return record.row_word if same and record.row_word else self._table.word_of(change.status)

    def _says_failed_instead(self, change: RowChange) -> bool:
        return self._table.status_of(self._table.word_of(change.status)) is not change.status

    def _assignments(self, fields: Collection[str]) -> sql.Composable:
        values = {"status": sql.SQL("w.word"), **{field: self._value(field) for field in fields}}
        return sql.SQL(", ").join(
            sql.SQL("{} = {}").format(identifier(str(self._table.column(field))), value)
            for field, value in values.items()
        )

    def _value(self, field: str) -> sql.Composable:
        """What a column is set to, as it takes it."""
        if field == "progress":
            return sql.SQL("w.progress / 100.0" if self._fraction else "w.progress")
        if field == "prompt_id":
            return sql.SQL("w.prompt_id::{}").format(self._type(str(self._table.column(field))))
        return self._text(field) if field in ("output_path", "error") else self._now(field)

    def _text(self, field: str) -> sql.Composable:
        """A text as the column takes it. A reason is cut where it does not fit; a path would be
        another one."""
        column = self._table.columns[str(self._table.column(field))]
        value: sql.Composable = sql.Identifier("w", field)
        if column.not_null:
            value = sql.SQL("coalesce({}, '')").format(value)
        if column.kind in JSONS:
            return sql.SQL("to_jsonb({})::{}").format(value, column.base_type)
        if field == "error" and column.max_length is not None:
            return sql.SQL("left({}, {})").format(value, sql.Literal(column.max_length))
        return value

    def _now(self, field: str) -> sql.Composable:
        name = str(self._table.column(field))
        if self._table.columns[name].kind not in NAIVE_TIMES:
            return sql.SQL("now()")
        zone = literal(self._table.mapping.timezone)
        return sql.SQL("(now() at time zone {})::{}").format(zone, self._type(name))

    def _type(self, column: str) -> sql.SQL:
        return self._table.columns[column].base_type

    @property
    def _fraction(self) -> bool:
        return self._table.mapping.progress == "fraction"


def percent_of(value: Any, table: JobsTable) -> int | None:
    """The progress of a row, in percent; None where it is no number."""
    try:
        return round(float(value) * (100 if table.mapping.progress == "fraction" else 1))
    except (TypeError, ValueError, OverflowError):
        return None


def _fields_of_all(table: JobsTable) -> list[tuple[str, sql.Composable]]:
    key, status = (
        identifier("j", table.mapping.columns.id),
        identifier("j", table.mapping.columns.status),
    )
    return [
        ("job_id", sql.SQL("{}::text").format(key)),
        ("row_word", sql.SQL("{}::text").format(status)),
        ("row_prompt_id", sql.SQL("nullif({}::text, '')").format(table.read("prompt_id"))),
        ("job_type", sql.SQL("{}::text").format(table.read("job_type"))),
        ("created_at", table.time("created_at")),
    ]


def _fields_of_pass(table: JobsTable) -> list[tuple[str, sql.Composable]]:
    return [
        ("row_server", sql.SQL("nullif({}::text, '')").format(table.read("server"))),
        ("now", sql.SQL("extract(epoch from now())::float8")),
        *((field, table.read(field)) for field in _PLAIN),
    ]


def _fields_of_view(table: JobsTable) -> list[tuple[str, sql.Composable]]:
    return [
        ("frames", table.read("frames")),
        ("progress", table.read("progress")),
        ("output_path", table.text("output_path")),
        ("error", table.text("error")),
        ("updated_at", table.time("updated_at")),
        ("completed_at", table.time("completed_at")),
    ]


def _joined(fields: list[tuple[str, sql.Composable]]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{} as {}").format(value, sql.Identifier(name)) for name, value in fields
    )
