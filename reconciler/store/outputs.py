"""Inspected output files in Postgres: the answer for a file that has not changed since."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import Json

from reconciler.core.attribution import FileFacts, Link, Listing
from reconciler.core.evidence import FileState
from reconciler.store.clean import clean_json, clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query
from reconciler.store.spaces import Spaces, path_of


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
    #: Sound, unsound or unjudged.
    verdict: FileState
    job_id: str | None = None
    prompt_id: str | None = None
    tag_job_id: str | None = None
    tag_prompt_id: str | None = None
    #: What a configured pattern reads off the path.
    named_job_id: str | None = None
    named_prompt_id: str | None = None
    #: First inspection that found this very file damaged, by the database's clock.
    unsound_since: float | None = None
    #: Damaged still when inspected again later.
    confirmed: bool = False
    #: The device on which it lies; None where that is not known.
    device: int | None = None
    #: The checks that gave the answer (`CHECKS_VERSION`), and what they were asked for, as JSON.
    checks_version: int = 0
    wanted: Mapping[str, Any] | None = None
    #: The digest of a manifest ("<algorithm>:<hex>") that this very file was found to have.
    identical_to: str | None = None
    #: By the database's clock; None until it is stored.
    inspected_at: float | None = None
    thumbnail: bytes | None = None
    #: What the files of one save have in common (`outputs.siblings`); only to be saved.
    group: Path | None = None

    @property
    def sound(self) -> bool:
        """True where it was judged, and nothing is wrong with it."""
        return self.verdict is FileState.SOUND


_NAMES = ("tag_job_id", "tag_prompt_id", "named_job_id", "named_prompt_id")
_IDS = ("job_id", "prompt_id", *_NAMES)
#: Not among what is read back.
_ONLY_SAVED = ("thumbnail", "group")
_READ_APART = ("path", "inode", "device", "verdict", *_ONLY_SAVED)


@dataclass(frozen=True, slots=True)
class Noted:
    """A file as a prompt's ending lists it."""

    #: Its node was answered from the cache.
    reused: bool
    #: As the manifest saw it at the prompt's end; None without one.
    size_bytes: int | None = None
    mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that is nobody's, with what is claimed of it."""

    path: Path
    server: str
    size_bytes: int
    verdict: FileState
    facts: FileFacts
    #: What the database calls it (`store.spaces`), and when it was changed last.
    key: bytes = b""
    mtime_ns: int = 0

    @property
    def sound(self) -> bool:
        """True where it was judged, and nothing is wrong with it."""
        return self.verdict is FileState.SOUND


class OutputStore:
    """Inspected files in Postgres. Every method raises DatabaseError."""

    def __init__(self, connection: Connection, spaces: Spaces | None = None) -> None:
        self._connection = connection
        #: Which directories of this host have a space of their own.
        self.spaces = spaces or Spaces()

    def save(self, output: OutputRecord) -> None:
        """Stores the newest answer about a file. Whose it is stays as long as it is the same.

        A file that one save wrote together with a job's file is that job's at once.
        """
        values: dict[str, Any] = {n: getattr(output, n) for n in OutputRecord.__slots__}
        for name in _IDS:
            if values[name] is not None:
                values[name] = clean_text(values[name], 200)
        values["group_key"] = None if output.group is None else self.spaces.key(output.group)
        values["path"] = self.spaces.key(output.path)
        values["verdict"] = output.verdict.value
        values["wanted"] = None if output.wanted is None else Json(output.wanted)
        values["inspection"] = Json(clean_json(output.inspection))
        if output.thumbnail is not None:
            values["thumbnail"] = psycopg2.Binary(output.thumbnail)
        with self._connection.writing() as cursor:
            cursor.execute(query("save_output"), values)
            if output.group is not None:
                cursor.execute(query("attribute_siblings"), {"paths": self._keys([output.path])})

    def attribute(self, files: Mapping[Path, str | None], job_id: str) -> None:
        """Says that the files, each with its prompt, are a job's, with all that was saved along
        with them. What is somebody's already stays."""
        values = {"paths": self._keys(files), "prompt_ids": list(files.values()), "job_id": job_id}
        with self._connection.writing() as cursor:
            cursor.execute(query("attribute_outputs"), values)
            cursor.execute(query("attribute_siblings"), {"paths": self._keys(files)})

    def note_listing(self, prompt_id: str, files: Mapping[Path, Noted]) -> None:
        """Notes which files a prompt's ending lists."""
        self.note_listings({prompt_id: files})

    def note_listings(self, listings: Mapping[str, Mapping[Path, Noted]]) -> None:
        """Notes which files the endings of prompts list: all of them, by prompt."""
        listed = [
            (p, path, noted) for p, files in listings.items() for path, noted in files.items()
        ]
        values = {
            "all_prompt_ids": list(listings),
            "prompt_ids": [prompt_id for prompt_id, _, _ in listed],
            "paths": self._keys(path for _, path, _ in listed),
            "reused": [noted.reused for _, _, noted in listed],
            "sizes": [noted.size_bytes for _, _, noted in listed],
            "times": [noted.mtime_ns for _, _, noted in listed],
        }
        with self._connection.writing() as cursor:
            cursor.execute(query("forget_listings"), values)
            cursor.execute(query("note_listings"), values)

    def claims(self, paths: Iterable[Path]) -> dict[Path, FileFacts]:
        """What is claimed of files that were inspected."""
        found = self._claims([self.spaces.key(path) for path in paths])
        return {path_of(key): facts for key, facts in found.items()}

    def known(self, paths: Iterable[Path]) -> dict[Path, OutputRecord]:
        """The stored answers about these files."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("known_outputs"), {"paths": self._keys(paths)})
            rows = cursor.fetchall()
        return {record.path: record for record in map(record_of, rows)}

    def same_file(
        self,
        facts: os.stat_result,
        checks_version: int,
        wanted: Mapping[str, Any],
    ) -> list[OutputRecord]:
        """Answers about this very file under any name, with their thumbnails, the newest first."""
        values = {
            "inode": facts.st_ino,
            "device": facts.st_dev,
            "size_bytes": facts.st_size,
            "mtime_ns": facts.st_mtime_ns,
            "checks_version": checks_version,
            "wanted": Json(wanted),
        }
        with self._connection.transaction() as cursor:
            cursor.execute(query("same_file"), values)
            rows = cursor.fetchall()
        rows = [row for row in rows if self.spaces.is_here(bytes(row["path"]))]
        thumbnails = [None if row["thumbnail"] is None else bytes(row["thumbnail"]) for row in rows]
        return [
            replace(record_of(row), thumbnail=thumbnail)
            for row, thumbnail in zip(rows, thumbnails, strict=True)
        ]

    def note_identical(self, output: OutputRecord, digest: str) -> None:
        """The file, as it was inspected, has the digest that its manifest tells."""
        values = {
            "path": self.spaces.key(output.path),
            "size_bytes": output.size_bytes,
            "mtime_ns": output.mtime_ns,
            "inode": output.inode,
            "digest": clean_text(digest, 200),
        }
        with self._connection.writing() as cursor:
            cursor.execute(query("note_identical"), values)

    def of_server(self, server: str) -> list[Path]:
        """Some of the files inspected last on this server."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("some_outputs"), {"server": server})
            return [path_of(bytes(row["path"])) for row in cursor.fetchall()]

    def claimed(self, job_id: str, prompt_ids: Iterable[str]) -> list[OutputRecord]:
        """Files whose tag or name speaks of this job or these prompts, and their siblings."""
        values = {"job_id": clean_text(job_id, 200), "prompt_ids": list(prompt_ids)}
        with self._connection.transaction() as cursor:
            cursor.execute(query("claimed_outputs"), values)
            rows = cursor.fetchall()
        return [record_of(row) for row in rows if self.spaces.is_here(bytes(row["path"]))]

    def orphans(
        self,
        limit: int | None,
        *,
        server: str | None = None,
        since: float = 0.0,
        behind: tuple[int, bytes] | None = None,
    ) -> tuple[list[Orphan], int]:
        """Files that are nobody's, the newest first and at most `limit` (None: all), and how many
        there are. `since`: only files that were changed then or later; `behind`: only those that
        follow the one with this `mtime_ns` and key, which are counted alone."""
        mtime_ns, key = (None, b"") if behind is None else behind
        values = {
            "limit": limit,
            "server": server,
            "since_ns": int(since * 1e9),
            "behind_ns": mtime_ns,
            "behind": psycopg2.Binary(key),
        }
        with self._connection.transaction() as cursor:
            cursor.execute(query("orphans"), values)
            rows = cursor.fetchall()
        claims = self._claims([bytes(row["path"]) for row in rows])
        total = rows[0]["total"] if rows else 0
        return [_orphan(row, claims) for row in rows], total

    def _claims(self, keys: Iterable[bytes]) -> dict[bytes, FileFacts]:
        paths = [psycopg2.Binary(key) for key in keys]
        if not paths:
            return {}
        with self._connection.transaction() as cursor:
            cursor.execute(query("claims"), {"paths": paths})
            return {bytes(row["path"]): _facts(row) for row in cursor.fetchall()}

    def _keys(self, paths: Iterable[Path]) -> list[Any]:
        return [psycopg2.Binary(self.spaces.key(path)) for path in paths]

    def of_job(self, job_id: str) -> list[OutputRecord]:
        """The files of one job."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("outputs_of_job"), {"job_id": clean_text(job_id, 200)})
            return [record_of(row) for row in cursor.fetchall()]


def _orphan(row: Mapping[str, Any], claims: Mapping[bytes, FileFacts]) -> Orphan:
    key = bytes(row["path"])
    facts = claims.get(key) or FileFacts(row["mtime_ns"] / 1e9)
    return Orphan(
        path_of(key),
        row["server"],
        row["size_bytes"],
        FileState(row["verdict"]),
        facts,
        key,
        row["mtime_ns"],
    )


def record_of(row: Mapping[str, Any]) -> OutputRecord:
    """A row of the outputs, as the statements here read it."""
    names = [n for n in OutputRecord.__slots__ if n not in _READ_APART]
    return OutputRecord(
        path=path_of(bytes(row["path"])),
        inode=int(row["inode"]),
        device=None if row["device"] is None else int(row["device"]),
        verdict=FileState(row["verdict"]),
        **{name: row[name] for name in names},
    )


def _facts(row: Mapping[str, Any]) -> FileFacts:
    links = {link.pop("prompt_id"): Link(**link) for link in row["links"] or ()}
    return FileFacts(
        changed_at=row["mtime_ns"] / 1e9,
        listings=tuple(Listing(**listing) for listing in row["listings"] or ()),
        links=links,
        **{name: row[name] for name in _NAMES},
    )
