"""Writing rows of the jobs table, which is somebody else's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extras import Json

from reconciler.core.jobs import Status
from reconciler.store import table as tables
from reconciler.store.clean import clean_text
from reconciler.store.columns import JSONS, NAIVE_TIMES
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.records import JobRecord, RowChange, Write
from reconciler.store.table import JobsTable, identifier, literal
from reconciler.store.table_rows import Row, on_table

#: What may be written beside the status.
WRITTEN = ("prompt_id", *tables.WRITTEN)


@dataclass(frozen=True, slots=True)
class TableWrites:
    """What is written to one jobs table. Every method takes a cursor of the rows' database."""

    table: JobsTable

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
                field for field in WRITTEN if field in values and self.table.takes(field)
            )
            groups.setdefault(fields, []).append(values)
        if groups:
            self._as_the_application(cursor)
        for fields, rows in groups.items():
            statement = on_table(self.table, "write_rows", assignments=self._assignments(fields))
            values = {"rows": Json(rows), "job_ids": [row["id"] for row in rows]}
            cursor.execute(statement, values)
            written |= {row["job_id"] for row in cursor.fetchall()}
        return written

    def fill_prompt_ids(self, cursor: Cursor, prompt_ids: Mapping[str, str]) -> None:
        """Rows, by key, learn their prompts where they name none."""
        column = self.table.column("prompt_id")
        if column is None or not prompt_ids:
            return
        rows = [{"id": job, "prompt_id": prompt} for job, prompt in prompt_ids.items()]
        types = {"prompt_column": identifier(column), "prompt_type": self._type(column)}
        self._as_the_application(cursor)
        values = {"rows": Json(rows), "job_ids": list(prompt_ids)}
        cursor.execute(on_table(self.table, "fill_prompt_ids", **types), values)

    def _as_the_application(self, cursor: Cursor) -> None:
        """Its triggers may write times without a zone: as in its own sessions."""
        cursor.execute(query("as_the_application"), {"timezone": self.table.mapping.timezone})

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
        return record.row_word if same and record.row_word else self.table.word_of(change.status)

    def _says_failed_instead(self, change: RowChange) -> bool:
        return self.table.status_of(self.table.word_of(change.status)) is not change.status

    def _assignments(self, fields: Collection[str]) -> sql.Composable:
        values = {"status": sql.SQL("w.word"), **{field: self._value(field) for field in fields}}
        return sql.SQL(", ").join(
            sql.SQL("{} = {}").format(identifier(str(self.table.column(field))), value)
            for field, value in values.items()
        )

    def _value(self, field: str) -> sql.Composable:
        """What a column is set to, as it takes it."""
        if field == "progress":
            return sql.SQL("w.progress / 100.0" if self._fraction else "w.progress")
        if field == "prompt_id":
            return sql.SQL("w.prompt_id::{}").format(self._type(str(self.table.column(field))))
        return self._text(field) if field in ("output_path", "error") else self._now(field)

    def _text(self, field: str) -> sql.Composable:
        """A text as the column takes it. A reason is cut where it does not fit; a path would be
        another one."""
        column = self.table.columns[str(self.table.column(field))]
        value: sql.Composable = sql.Identifier("w", field)
        if column.not_null:
            value = sql.SQL("coalesce({}, '')").format(value)
        if column.kind in JSONS:
            return sql.SQL("to_jsonb({})::{}").format(value, column.base_type)
        if field == "error" and column.max_length is not None:
            return sql.SQL("left({}, {})").format(value, sql.Literal(column.max_length))
        return value

    def _now(self, field: str) -> sql.Composable:
        name = str(self.table.column(field))
        if self.table.columns[name].kind not in NAIVE_TIMES:
            return sql.SQL("now()")
        zone = literal(self.table.mapping.timezone)
        return sql.SQL("(now() at time zone {})::{}").format(zone, self._type(name))

    def _type(self, column: str) -> sql.SQL:
        return self.table.columns[column].base_type

    @property
    def _fraction(self) -> bool:
        return self.table.mapping.progress == "fraction"
