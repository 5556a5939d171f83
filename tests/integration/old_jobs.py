"""Jobs of long ago, for the tests of the retention: rows, states, stories, prompts and files."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

from comfy_node.contract import MANIFEST_DIR, manifest_name
from reconciler.retention.directory import Directory
from reconciler.store import open_store
from reconciler.store.clean import path_bytes
from reconciler.store.connection import Connection
from reconciler.store.retention import RetentionStore

DAY_S = 86_400.0


@dataclass
class Past:
    """A database and an output directory in which jobs ended so many days ago."""

    url: str
    root: Path
    #: What the directory's storage says of itself.
    there: bool = True
    _numbers: int = 0
    store: RetentionStore = field(init=False)

    def __post_init__(self) -> None:
        self._store = open_store(self.url)
        connection = self._store.connection
        self.store = RetentionStore(connection, connection, self._store.table)
        (self.root / MANIFEST_DIR).mkdir(parents=True)

    @property
    def directory(self) -> Directory:
        """The output directory, as the service describes it."""
        return Directory("gpu", self.root, lambda: self.there)

    @property
    def connection(self) -> Connection:
        """The reconciler's own connection."""
        return self._store.connection

    def close(self) -> None:
        self._store.connection.close()

    def job(self, status: str, days: float, *, known: str | None = None, events: int = 3) -> str:
        """A row, and all that we know of it, as it was `days` ago. `known`: what we know its status
        to be, where somebody changed the row since."""
        self._numbers += 1
        prompt_id = f"prompt-{self._numbers}"
        job_id = str(
            self.sql(
                "insert into production_jobs (status, comfyui_job_id) values (%s, %s) returning id",
                status,
                prompt_id,
            )[0]["id"]
        )
        self.sql(
            "insert into reconciler.job_state (job_id, known_status, opened_at, decided_at)"
            " values (%s, %s, now() - %s * interval '1 day', now() - %s * interval '1 day')",
            job_id, known or status, days, days,
        )  # fmt: skip
        self.sql(
            "insert into reconciler.prompts (prompt_id, job_id, attempt, server, ending)"
            " values (%s, %s, 1, 'gpu', '{\"kind\": \"success\", \"source\": \"history\"}')",
            prompt_id, job_id,
        )  # fmt: skip
        self.sql(
            "insert into reconciler.events (at, job_id, attempt, kind, reason)"
            " select now() - %s * interval '1 day', %s, 1, 'status', 'sentence ' || n"
            " from generate_series(1, %s) n",
            days, job_id, events,
        )  # fmt: skip
        return job_id

    def output(self, name: str, days: float, job_id: str | None = None, *, on_disk: bool) -> Path:
        """A file that was inspected `days` ago."""
        path = self.root / name
        if on_disk:
            path.write_bytes(b"frames")
        self.sql(
            "insert into reconciler.outputs (path, server, job_id, size_bytes, mtime_ns, inode,"
            " inspection, verdict, inspected_at, thumbnail) values (%s, 'gpu', %s, 6, 1, 1, '{}',"
            " 'sound', now() - %s * interval '1 day', 'picture')",
            psycopg2.Binary(path_bytes(path)), job_id, days,
        )  # fmt: skip
        self.sql(
            "insert into reconciler.listings (path, prompt_id, reused) values (%s, %s, false)",
            psycopg2.Binary(path_bytes(path)), f"prompt of {name}",
        )  # fmt: skip
        return path

    def manifest(self, prompt_id: str, days: float) -> Path:
        """A manifest as the pack left it `days` ago."""
        path = self.root / MANIFEST_DIR / manifest_name(prompt_id)
        path.write_text(json.dumps({"prompt_id": prompt_id}), encoding="utf-8")
        then = path.stat().st_mtime - days * DAY_S
        os.utime(path, (then, then))
        return path

    def prompt_of(self, job_id: str) -> str:
        """The prompt of a job."""
        statement = "select comfyui_job_id as id from production_jobs where id::text = %s"
        return str(self.sql(statement, job_id)[0]["id"])

    def stories(self) -> dict[str, int]:
        """How many events each job has."""
        statement = "select job_id, count(*) as n from reconciler.events group by 1"
        return {row["job_id"]: row["n"] for row in self.sql(statement)}

    def known_files(self) -> set[str]:
        """The files that we know."""
        rows = self.sql("select path from reconciler.outputs")
        return {Path(os.fsdecode(bytes(row["path"]))).name for row in rows}

    def pictured(self) -> set[str]:
        """Those that have a thumbnail."""
        rows = self.sql("select path from reconciler.outputs where thumbnail is not null")
        return {Path(os.fsdecode(bytes(row["path"]))).name for row in rows}

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Somebody else's connection."""
        factory = psycopg2.extras.RealDictCursor
        with (
            closing(psycopg2.connect(self.url)) as connection,
            connection,
            connection.cursor(cursor_factory=factory) as cursor,
        ):
            cursor.execute(statement, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []
