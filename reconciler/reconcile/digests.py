"""Digests of output files, computed along with the inspections and remembered."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from reconciler.errors import OutputError
from reconciler.outputs.digest import digest_of, new_hash
from reconciler.outputs.paths import open_unchanged
from reconciler.outputs.text import printable
from reconciler.reconcile.inspections import SMALL_BYTES, Inspections
from reconciler.store.outputs import OutputRecord

log = structlog.get_logger(__name__)

#: Digests kept in memory; after a restart they are computed again where they are needed.
MAX_DIGESTS = 20_000
#: A file that could not be read is tried again after this time, in seconds.
RETRY_S = 10.0
#: Unknown algorithms that are told of; more is somebody's game.
MAX_SAID = 10
#: Digits of a digest in a sentence.
_SHOWN = 12


class Match(StrEnum):
    """Whether a file is what its digest says."""

    SAME = "same"
    OTHER = "other"
    #: It is being read.
    OPEN = "open"
    #: Nobody here can tell: an algorithm that we lack.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _Key:
    """One file as it was inspected, and how its digest is made."""

    path: Path
    size_bytes: int
    mtime_ns: int
    inode: int
    algorithm: str


class Digests:
    """Compares files with the digests that the node pack took when they were written.

    The same size, time and inode have the same digest: a file is read once. Thread-safe.
    """

    def __init__(
        self,
        server: str,
        inspections: Inspections,
        on_answer: Callable[[Path], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._inspections = inspections
        self._on_answer = on_answer
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[_Key, str] = {}
        self._running: set[_Key] = set()
        self._retry_at: dict[Path, float] = {}
        self._said: set[str] = set()
        self._stopping = threading.Event()

    def compare(self, record: OutputRecord, digest: str) -> tuple[Match, str]:
        """Whether an inspected file has this digest ("<algorithm>:<hex>"), and in words how it
        differs. A file that was not read yet is read soon."""
        algorithm, _, wanted = digest.partition(":")
        if not wanted or new_hash(algorithm) is None:
            self._say(algorithm)
            return Match.UNKNOWN, ""
        key = _Key(record.path, record.size_bytes, record.mtime_ns, record.inode, algorithm)
        with self._lock:
            found = self._known.get(key)
        if found is None:
            self._request(key)
            return Match.OPEN, ""
        if found == wanted.lower():
            return Match.SAME, ""
        return Match.OTHER, f"its {algorithm} is {found[:_SHOWN]}…, not {wanted[:_SHOWN]}…"

    def waiting(self) -> bool:
        """True while a file is read or waits for it."""
        return bool(self._running)

    def stop(self) -> None:
        """Ends all reading soon; what was not read is read after the next start."""
        self._stopping.set()

    def _request(self, key: _Key) -> None:
        with self._lock:
            early = self._monotonic() < self._retry_at.get(key.path, 0.0)
            if key in self._running or early:
                return
            self._running.add(key)
        try:
            small = key.size_bytes < SMALL_BYTES
            self._inspections.add(
                key, lambda: self._work(key), urgent=True, quick=True, small=small
            )
        except RuntimeError:  # the service is stopping
            with self._lock:
                self._running.discard(key)

    def _work(self, key: _Key) -> None:
        try:
            found = self._read(key)
            if found is not None:
                self._remember(key, found)
        except (OutputError, OSError) as error:
            log.warning("digest not checked yet", path=os.fspath(key.path), reason=str(error))
            with self._lock:
                self._retry_at[key.path] = self._monotonic() + RETRY_S
        finally:
            with self._lock:
                self._running.discard(key)
        self._on_answer(key.path)

    def _read(self, key: _Key) -> str | None:
        """None if told to stop, or where the file is another by now: it is inspected anew."""
        algorithm = new_hash(key.algorithm)
        with open_unchanged(key.path) as (descriptor, state):
            now = (state.st_size, state.st_mtime_ns, state.st_ino)
            if algorithm is None or now != (key.size_bytes, key.mtime_ns, key.inode):
                return None
            return digest_of(descriptor, algorithm, self._stopping)

    def _remember(self, key: _Key, found: str) -> None:
        with self._lock:
            self._retry_at.pop(key.path, None)
            self._known[key] = found
            if len(self._known) > MAX_DIGESTS:
                self._known.pop(next(iter(self._known)))

    def _say(self, algorithm: str) -> None:
        shown = printable(algorithm, 40)
        if shown not in self._said and len(self._said) < MAX_SAID:
            self._said.add(shown)
            log.warning(
                "digests of this kind cannot be checked: install its package, if there is one",
                server=self._server,
                algorithm=shown,
            )
