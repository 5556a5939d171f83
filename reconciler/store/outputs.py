"""Inspected output files in Postgres: the answer for a file that has not changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import Json

from reconciler.store.clean import clean_json, clean_text, path_bytes, path_from_bytes
from reconciler.store.connection import Connection
from reconciler.store.queries import query


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One inspected file.

    `size_bytes`, `mtime_ns` and `inode` are those it had when it was inspected; with the same
    three a file is the same file and its answer stands.
    """

    path: Path
    server: str
    size_bytes: int
    mtime_ns: int
    inode: int
    #: The inspection as JSON (see `outputs.inspection`), without the thumbnail.
    inspection: Mapping[str, Any]
    sound: bool
    job_id: str | None = None
    prompt_id: str | None = None
    tag_job_id: str | None = None
    tag_prompt_id: str | None = None
    #: First inspection that found this very file damaged, by the database's clock.
    unsound_since: float | None = None
    #: Damaged still when inspected again later.
    confirmed: bool = False
    #: By the database's clock; None until it is stored.
    inspected_at: float | None = None
    thumbnail: bytes | None = None


class OutputStore:
    """Inspected files in Postgres. Every method raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, output: OutputRecord) -> None:
        """Stores the newest answer about a file. Whose it is stays as long as it is the same."""
        values: dict[str, Any] = {n: getattr(output, n) for n in OutputRecord.__slots__}
        for name in ("job_id", "prompt_id", "tag_job_id", "tag_prompt_id"):
            if values[name] is not None:
                values[name] = clean_text(values[name], 200)
        values["path"] = path_bytes(output.path)
        values["inspection"] = Json(clean_json(output.inspection))
        if output.thumbnail is not None:
            values["thumbnail"] = psycopg2.Binary(output.thumbnail)
        with self._connection.transaction() as cursor:
            cursor.execute(query("save_output"), values)

    def attribute(self, path: Path, job_id: str, prompt_id: str) -> None:
        """Says whose file it is, unless it is somebody's already."""
        values = {"path": path_bytes(path), "job_id": job_id, "prompt_id": prompt_id}
        with self._connection.transaction() as cursor:
            cursor.execute(query("attribute_output"), values)

    def known(self, paths: Iterable[Path]) -> dict[Path, OutputRecord]:
        """The stored answers about these files."""
        keys = [psycopg2.Binary(path_bytes(path)) for path in paths]
        with self._connection.transaction() as cursor:
            cursor.execute(query("known_outputs"), {"paths": keys})
            rows = cursor.fetchall()
        return {record.path: record for record in map(_record, rows)}

    def of_server(self, server: str) -> list[Path]:
        """Some of the files inspected last on this server."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("some_outputs"), {"server": server})
            return [path_from_bytes(bytes(row["path"])) for row in cursor.fetchall()]

    def tagged(self, job_ids: Iterable[str]) -> list[OutputRecord]:
        """Files whose tag names one of these jobs."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("tagged_outputs"), {"job_ids": list(job_ids)})
            return [_record(row) for row in cursor.fetchall()]

    def of_job(self, job_id: str) -> list[OutputRecord]:
        """The files of one job."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("outputs_of_job"), {"job_id": clean_text(job_id, 200)})
            return [_record(row) for row in cursor.fetchall()]


def _record(row: Mapping[str, Any]) -> OutputRecord:
    names = [n for n in OutputRecord.__slots__ if n not in ("path", "inode", "thumbnail")]
    return OutputRecord(
        path=path_from_bytes(bytes(row["path"])),
        inode=int(row["inode"]),
        **{name: row[name] for name in names},
    )
