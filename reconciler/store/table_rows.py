"""Reading rows of the jobs table, which is somebody else's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from psycopg2 import sql

from reconciler.core.expecting import COLUMNS
from reconciler.core.jobs import Status
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.table import JobsTable, identifier

Row = dict[str, Any]
#: Of the fields that a pass needs, those that are read as they are.
_PLAIN = ("progress", *COLUMNS)


class TableRows:
    """What is read of one jobs table. Every method takes a cursor of the rows' database."""

    def __init__(self, table: JobsTable) -> None:
        self._table = table
        self._fields = _joined([*_fields_of_all(table), *_fields_of_pass(table)])
        #: What people see of a row `j`.
        self.view_fields = _joined([*_fields_of_all(table), *_fields_of_view(table)])
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

    def view(self, cursor: Cursor, *, job_ids: Collection[str] | None = None) -> dict[str, Row]:
        """Rows as people look at them, open ones first, then the newest: these, or all."""
        where = sql.SQL("where j.{} = any(%(job_ids)s::text[]::{}[])").format(
            identifier(self._table.mapping.columns.id), self._table.id_type
        )
        statement = on_table(
            self._table,
            "view_rows",
            fields=self.view_fields,
            where=sql.SQL("") if job_ids is None else where,
            created_at=self._table.time("created_at"),
        )
        values = {
            "job_ids": list(job_ids or ()),
            "processing": self._table.words_of(Status.PROCESSING),
            "queued": self._table.words_of(Status.QUEUED),
        }
        cursor.execute(statement, values)
        return {row["job_id"]: self.understood(row) for row in cursor.fetchall()}

    def known(self, cursor: Cursor, job_ids: Collection[str]) -> set[str]:
        """Which of these texts are keys of rows."""
        keys = [job_id for job_id in job_ids if self._table.could_be_key(job_id)]
        cursor.execute(on_table(self._table, "known_rows"), {"job_ids": keys})
        return {row["job_id"] for row in cursor.fetchall()}.intersection(keys)

    def count(self, cursor: Cursor) -> int:
        """How many rows the table has."""
        cursor.execute(on_table(self._table, "count_rows"), {})
        row = cursor.fetchone()
        return 0 if row is None else int(row["number"])

    def _read(self, cursor: Cursor, name: str, values: Mapping[str, Any]) -> dict[str, Row]:
        cursor.execute(on_table(self._table, name, fields=self._fields), values)
        return {row["job_id"]: self.understood(row) for row in cursor.fetchall()}

    def understood(self, row: Mapping[str, Any]) -> Row:
        """The row in our words: its status, or None where its word is none of ours."""
        status = self._table.status_of(row["row_word"])
        return {
            **row,
            "row_status": None if status is None else status.value,
            "row_progress": percent_of(row["progress"], self._table),
            **self._of_all,
        }


def on_table(table: JobsTable, name: str, **fragments: sql.Composable) -> sql.Composed:
    """A statement on the jobs table."""
    columns = table.mapping.columns
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
