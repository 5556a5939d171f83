"""Output files by ids that can stand in a URL, which a path cannot: it may be any bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.core.evidence import FileState
from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.spaces import path_of

#: 128 of the digest's bits: nobody finds two paths of one id.
_ID_BYTES = 16
_ID = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}")


def output_id(key: bytes) -> str:
    """The id of the file that the database calls `key` (see `spaces`)."""
    return hashlib.sha256(key).digest()[:_ID_BYTES].hex()


@dataclass(frozen=True, slots=True)
class KnownOutput:
    """An inspected file, as far as it takes to show it to somebody.

    With size, time of the last change and inode as they were it is the same file.
    """

    id: str
    path: Path
    server: str
    #: Whose it is; None for an orphan.
    job_id: str | None
    size_bytes: int
    mtime_ns: int
    inode: int
    #: None where it is not known.
    device: int | None
    verdict: FileState
    #: As `outputs.inspection` has it, as JSON.
    inspection: Mapping[str, Any]
    #: Its name says on which of several hosts it lies (see `spaces`).
    has_space: bool


class OutputFinder:
    """Finds files that were inspected. Every method raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def one(self, wanted: str) -> KnownOutput | None:
        """The file of this id; None for one that is none, or of no file."""
        if not _ID.fullmatch(wanted):
            return None
        with self._connection.transaction() as cursor:
            cursor.execute(query("output_of_id"), {"id": bytes.fromhex(wanted)})
            row = cursor.fetchone()
        return None if row is None else _known(row)

    def of_job(self, job_id: str) -> list[KnownOutput]:
        """The files of a job, in the order in which they were written."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("shown_outputs_of_job"), {"job_id": clean_text(job_id, 200)})
            return [_known(row) for row in cursor.fetchall()]

    def listed_by(self, job_id: str) -> list[KnownOutput]:
        """The files that the endings of a job's prompts list: an earlier job's, where it was
        answered from the cache."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("shown_outputs_listed"), {"job_id": clean_text(job_id, 200)})
            return [_known(row) for row in cursor.fetchall()]

    def thumbnail(self, wanted: str) -> bytes | None:
        """The JPEG of its first picture; None where none is kept."""
        if not _ID.fullmatch(wanted):
            return None
        with self._connection.transaction() as cursor:
            cursor.execute(query("thumbnail_of_id"), {"id": bytes.fromhex(wanted)})
            row = cursor.fetchone()
        return None if row is None or row["thumbnail"] is None else bytes(row["thumbnail"])


def _known(row: Mapping[str, Any]) -> KnownOutput:
    key = bytes(row["path"])
    return KnownOutput(
        id=output_id(key),
        path=path_of(key),
        server=row["server"],
        job_id=row["job_id"],
        size_bytes=row["size_bytes"],
        mtime_ns=row["mtime_ns"],
        inode=int(row["inode"]),
        device=None if row["device"] is None else int(row["device"]),
        verdict=FileState(row["verdict"]),
        inspection=row["inspection"],
        has_space=not key.startswith(b"/"),
    )
