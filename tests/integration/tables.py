"""A stage for tables that others made: their DDL, a mapping, and passes over rows in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
from psycopg2 import sql

from reconciler.comfyui.values import EndedNote
from reconciler.core.evidence import EndKind
from reconciler.settings.jobs import JobsSettings
from reconciler.store.columns import TEXTS
from reconciler.store.table import identifier
from tests.integration.reconciling import Bench, error, success


def run_sql(url: str, statements: str) -> None:
    """What the application or its DBA runs."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statements)


def wipe(url: str) -> None:
    """Leaves our own tables empty, and nothing of anybody else."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "select quote_ident(nspname) from pg_namespace"
            " where nspname !~ '^(pg_|information_schema|reconciler$)'"
        )
        for (schema,) in cursor.fetchall():
            cursor.execute(f"drop schema {schema} cascade")
        cursor.execute("create schema public")
        cursor.execute(
            "select string_agg(format('reconciler.%I', tablename), ', ') from pg_tables"
            " where schemaname = 'reconciler' and tablename <> 'migrations'"
        )
        (tables,) = cursor.fetchone() or (None,)
        if tables is not None:
            cursor.execute(f"truncate {tables}")


class Stage(Bench):
    """Passes over a table whose columns are called as `mapping` says."""

    def __init__(
        self, url: str, folder: Path, mapping: Mapping[str, Any], *, table: str, **opening: Any
    ) -> None:
        jobs = JobsSettings(**mapping)
        super().__init__(url, folder, jobs_table=table, jobs=jobs, **opening)
        self.table = self.store.table
        self.columns = jobs.columns

    def insert(self, **columns: Any) -> str:
        """A row as the application inserts it, which gives keys that are texts; returns its key."""
        if self.table.columns[self.columns.id].kind in TEXTS:
            columns.setdefault(self.columns.id, f"job-{uuid4()}")
        row = sql.SQL("({}) values ({})" if columns else "default values").format(
            sql.SQL(", ").join(map(identifier, columns)),
            sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        )
        statement = sql.SQL("insert into {} {} returning {}::text as id").format(
            self.table.identifier, row, identifier(self.columns.id)
        )
        return str(self._all(statement, *columns.values())[0]["id"])

    def row(self, job_id: str) -> dict[str, Any]:
        statement = sql.SQL("select * from {} where {}::text = %s").format(
            self.table.identifier, identifier(self.columns.id)
        )
        return self._all(statement, job_id)[0]

    def word(self, job_id: str) -> str:
        """The row's status in the application's word."""
        return str(self.row(job_id)[self.columns.status])

    def _all(self, statement: sql.Composable, *values: Any) -> list[dict[str, Any]]:
        with closing(psycopg2.connect(self.url)) as connection:
            text = statement.as_string(connection)
        return self.sql(text if values else text.replace("%%", "%"), *values)


@contextmanager
def stage(
    url: str,
    folder: Path,
    ddl: str = "",
    mapping: Mapping[str, Any] | None = None,
    *,
    table: str = "production_jobs",
    **opening: Any,
) -> Iterator[Stage]:
    """A table that `ddl` makes first, and passes over it."""
    if ddl:
        run_sql(url, ddl)
    made = Stage(url, folder, mapping or {}, table=table, **opening)
    with closing(made):
        yield made


def play(stage: Stage, ending: str, **new_row: Any) -> str:
    """Inserts a row and lets its prompt run and end: completed, failed or cancelled. The prompt's
    id stands in the row where it has a place, else the prompt carries the row's key."""
    prompt_id = str(uuid4())
    named = stage.table.column("prompt_id")
    job_id = stage.insert(**new_row, **({named: prompt_id} if named else {}))
    tag = {} if named else {"job_id": job_id}
    stage.server.run(prompt_id, **tag)
    stage.run_pass()
    if ending == "completed":
        stage.server.end(prompt_id, success(stage.image(f"{prompt_id}.png")), **tag)
    elif ending == "failed":
        stage.server.end(prompt_id, error("boom"), **tag)
    else:
        stage.server.forget(prompt_id)
        stage.server.boot_id = "one"  # the node pack tells what was removed from the queue
        stage.server.ended = [EndedNote(prompt_id, EndKind.REMOVED)]
    stage.passes(3 if ending == "completed" else 1)
    return job_id
