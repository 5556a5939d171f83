"""Reading and writing rows of the jobs table, which is somebody else's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extras import Json

from reconciler.core.expecting import COLUMNS
from reconciler.core.jobs import Status
from reconciler.store.clean import clean_text
from reconciler.store.columns import JSONS, NAIVE_TIMES
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.records import JobRecord, RowChange, Write
from reconciler.store.table import JobsTable, identifier, literal

Row = dict[str, Any]
#: Of the fields that a pass needs, those that are read as they are.
_PLAIN = ("progress", *COLUMNS)


class TableRows:
    """The statements on one jobs table. Every method takes a cursor of the rows' database."""

    def __init__(self, table: JobsTable) -> None:
        self._table = table
        self._fields = _joined([*_fields_of_all(table), *_fields_of_pass(table)])

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
        """Writes rows that say still what they said when they were read. Returns their keys."""
        if not writes:
            return set()
        rows = [self._assigned(write.record, write.change) for write in writes]
        cursor.execute(query("as_the_application"), {"timezone": self._table.mapping.timezone})
        statement = self.query("write_rows", assignments=self._assignments())
        values = {"rows": Json(rows), "job_ids": [row["id"] for row in rows]}
        cursor.execute(statement, values)
        return {row["job_id"] for row in cursor.fetchall()}

    def fill_prompt_ids(self, cursor: Cursor, prompt_ids: Mapping[str, str]) -> None:
        """Rows, by key, learn their prompts where they name none."""
        column = self._table.column("prompt_id")
        if column is None or not prompt_ids:
            return
        rows = [{"id": job, "prompt_id": prompt} for job, prompt in prompt_ids.items()]
        types = {"prompt_column": identifier(column), "prompt_type": self._type(column)}
        cursor.execute(query("as_the_application"), {"timezone": self._table.mapping.timezone})
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
            "default_frames": self._table.default_frames,
            "takes_prompt_id": self._table.takes("prompt_id"),
        }

    def _assigned(self, record: JobRecord, change: RowChange) -> dict[str, object]:
        """What is to be set beside the status, for `write_rows`; null leaves as it is."""
        progress = change.progress if change.progress != record.progress else None
        values: dict[str, object] = {
            "id": record.job.id,
            "from_word": record.row_word,
            "row_prompt_id": record.row_prompt_id,
            "word": self._word(record, change),
            "prompt_id": change.prompt_id,
            "progress": progress,  # the application may write its own
            "ends": change.status.is_final and change.status is not record.job.status,
        }
        if change.output_path is not None:
            values["output_path"] = clean_text(change.output_path)
        if change.status is Status.FAILED or self._says_failed_instead(change):
            code = change.failure.value if change.failure else change.status.value
            values |= {"writes_error": True, "error": clean_text(f"{code}: {change.reason}")}
        elif record.job.status is Status.FAILED or change.status is Status.COMPLETED:
            # "warning" is no failure code: whoever reads the row alone is told as well.
            words = clean_text(f"warning: {change.warning}") if change.warning else None
            values |= {"writes_error": True, "error": words}
        return values

    def _word(self, record: JobRecord, change: RowChange) -> str:
        """A row that means the status already keeps its word for it."""
        same = change.status.value == record.row_status
        return record.row_word if same and record.row_word else self._table.word_of(change.status)

    def _says_failed_instead(self, change: RowChange) -> bool:
        return self._table.status_of(self._table.word_of(change.status)) is not change.status

    def _assignments(self) -> sql.Composable:
        """Only columns that the settings speak of are named: others may be forbidden to us."""
        table = self._table
        values: dict[str, tuple[str, sql.Composable]] = {
            "prompt_id": ("w.row_prompt_id is null and w.prompt_id is not null", self._prompt_id()),
            "progress": ("w.progress is not null", self._progress()),
            "output_path": ("w.output_path is not null", self._text("output_path")),
            "error": ("w.writes_error", self._text("error")),
            "completed_at": ("w.ends", self._now("completed_at")),
        }
        parts = [sql.SQL("{} = w.word").format(identifier(table.mapping.columns.status))]
        for field, (condition, value) in values.items():
            if table.takes(field):
                parts.append(
                    sql.SQL(
                        "{column} = case when {condition} then {value} else {before} end"
                    ).format(
                        column=identifier(str(table.column(field))),
                        condition=sql.SQL(condition),
                        value=value,
                        before=table.read(field),
                    )
                )
        if table.takes("updated_at"):
            column = identifier(str(table.column("updated_at")))
            parts.append(sql.SQL("{} = {}").format(column, self._now("updated_at")))
        return sql.SQL(", ").join(parts)

    def _prompt_id(self) -> sql.Composable:
        column = self._table.column("prompt_id")
        kind = sql.SQL("text") if column is None else self._type(column)
        return sql.SQL("w.prompt_id::{}").format(kind)

    def _progress(self) -> sql.Composable:
        return sql.SQL("w.progress / 100.0" if self._fraction else "w.progress")

    def _text(self, field: str) -> sql.Composable:
        """A text as the column takes it. A reason is cut where it does not fit; a path would be
        another one."""
        name = self._table.column(field)
        column = None if name is None else self._table.columns[name]
        value = sql.Identifier("w", field)
        if column is None:
            return value
        if column.not_null:
            value = sql.SQL("coalesce({}, '')").format(value)  # type: ignore[assignment]
        if column.kind in JSONS:
            return sql.SQL("to_jsonb({})::{}").format(value, column.base_type)
        if field == "error" and column.max_length is not None:
            return sql.SQL("left({}, {})").format(value, sql.Literal(column.max_length))
        return value

    def _now(self, field: str) -> sql.Composable:
        name = self._table.column(field)
        if name is None or self._table.columns[name].kind not in NAIVE_TIMES:
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
