"""What is known of the files of one server's output directory."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from reconciler.core.evidence import FileState
from reconciler.core.naming import NamePatterns
from reconciler.errors import DatabaseError, InspectionError, OutputError
from reconciler.outputs.inspection import Inspection, to_json
from reconciler.outputs.siblings import group_of
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.digests import Digests
from reconciler.reconcile.inspections import Inspections
from reconciler.store.outputs import OutputRecord, OutputStore

log = structlog.get_logger(__name__)

#: Answers kept in memory; older ones are read back from Postgres when needed.
MAX_ANSWERS = 20_000
#: First wait before an inspection that could not be run is tried again; doubled up to the longest.
RETRY_S = 1.0
LONGEST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one file."""

    state: FileState
    record: OutputRecord | None = None


@dataclass(slots=True)
class _Trouble:
    """An inspection that could not be run, and when to try again."""

    reason: str
    attempts: int
    retry_at: float


class OutputBook:
    """Answers what state a file is in, and has files inspected whose state is not known.

    The same size, time and inode give the same answer: nothing is decoded twice, except that
    damage is confirmed by a second inspection `unsound_confirm_s` later. Thread-safe.
    """

    def __init__(
        self,
        server: str,
        root: Path,
        *,
        store: OutputStore,
        inspections: Inspections,
        inspect: Callable[[Path], Inspection],
        on_answer: Callable[[Path], None],
        clock: DatabaseClock,
        unsound_confirm_s: float,
        patterns: NamePatterns | None = None,
    ) -> None:
        self.server = server
        self.root = root
        self._store = store
        self._inspections = inspections
        self._inspect = inspect
        self._on_answer = on_answer
        self._clock = clock
        self._unsound_confirm_s = unsound_confirm_s
        self._patterns = patterns or NamePatterns()
        self.digests = Digests(server, inspections, on_answer)
        self._lock = threading.Lock()
        self._answers: dict[Path, OutputRecord] = {}
        self._running: set[Path] = set()
        self._troubles: dict[Path, _Trouble] = {}

    def look_up(self, path: Path, *, urgent: bool = True) -> Answer:
        """The state of a file now. An unknown one is handed to the inspection, where one that is
        `urgent`, since a verdict waits for it, goes first.

        Raises OutputError where the storage does not even say whether the file exists.
        """
        try:
            facts = os.stat(path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return Answer(FileState.ABSENT)
        except OSError as error:
            raise OutputError(f"{path} cannot be looked at: {error.strerror}") from error
        record = self._known(path)
        if record is None or not same_file(record, facts):
            self._request(path, urgent)
            return Answer(FileState.UNCHECKED)
        if record.sound:
            return Answer(FileState.SOUND, record)
        if not record.confirmed and self._clock.now() >= self._confirm_at(record):
            self._request(path, urgent)
        return Answer(FileState.UNSOUND, record)

    def trouble(self, path: Path) -> str | None:
        """Why a file could not be inspected so far, if so."""
        trouble = self._troubles.get(path)
        return None if trouble is None else trouble.reason

    def waiting(self) -> bool:
        """True while inspections run or wait for a worker."""
        return bool(self._running) or self.digests.waiting()

    def _confirm_at(self, record: OutputRecord) -> float:
        since = record.unsound_since
        return (self._clock.now() if since is None else since) + self._unsound_confirm_s

    def _known(self, path: Path) -> OutputRecord | None:
        with self._lock:
            record = self._answers.get(path)
        if record is None:
            record = self._store.known([path]).get(path)
            if record is not None:
                self._remember(record)
        return record

    def _remember(self, record: OutputRecord) -> None:
        with self._lock:
            self._answers.pop(record.path, None)
            self._answers[record.path] = record
            if len(self._answers) > MAX_ANSWERS:
                self._answers.pop(next(iter(self._answers)))

    def _request(self, path: Path, urgent: bool) -> None:
        key = (self.server, path)
        with self._lock:
            trouble = self._troubles.get(path)
            if trouble and self._clock.now() < trouble.retry_at:
                return
            if path in self._running:
                if urgent:
                    self._inspections.hurry(key)
                return
            self._running.add(path)
        try:
            self._inspections.add(key, lambda: self._work(path), urgent=urgent)
        except RuntimeError:  # the service is stopping: the next one inspects it
            with self._lock:
                self._running.discard(path)

    def _work(self, path: Path) -> None:
        try:
            self._answer(path)
        except (OutputError, InspectionError, DatabaseError) as error:
            self._note_trouble(path, str(error))
        except Exception as error:  # a defect of ours must not end the worker or hang the job
            log.exception("inspection failed", path=os.fspath(path))
            self._note_trouble(path, f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._running.discard(path)
            self._on_answer(path)

    def _answer(self, path: Path) -> None:
        before = self._known(path)
        inspection = self._inspect(path)
        record = self._record(inspection)
        if before is not None and not record.sound and _same_answer_file(before, record):
            first = before.unsound_since if before.unsound_since is not None else self._clock.now()
            late = self._clock.now() - first >= self._unsound_confirm_s
            record = replace(record, unsound_since=first, confirmed=late)
        self._store.save(record)
        self._remember(replace(record, thumbnail=None))
        with self._lock:
            self._troubles.pop(path, None)
        log.log(
            logging.INFO if record.sound else logging.WARNING,
            "inspected",
            path=os.fspath(path),
            sound=record.sound,
            frames=inspection.frames,
            defects=[defect.detail for defect in inspection.defects],
        )

    def _record(self, inspection: Inspection) -> OutputRecord:
        now = self._clock.now()
        named = self._patterns.read(inspection.path.relative_to(self.root).as_posix())
        group = group_of(inspection.path.name)
        return OutputRecord(
            path=inspection.path,
            server=self.server,
            size_bytes=inspection.size_bytes,
            mtime_ns=inspection.mtime_ns,
            inode=inspection.inode,
            inspection=to_json(inspection),
            sound=inspection.sound,
            tag_job_id=inspection.tags.get("job_id"),
            tag_prompt_id=inspection.tags.get("prompt_id"),
            named_job_id=named.job_id,
            named_prompt_id=named.prompt_id,
            group=None if group is None else inspection.path.parent / group,
            unsound_since=None if inspection.sound else now,
            inspected_at=now,
            thumbnail=inspection.thumbnail,
        )

    def _note_trouble(self, path: Path, reason: str) -> None:
        with self._lock:
            before = self._troubles.get(path)
            attempts = 1 if before is None else before.attempts + 1
            wait_s = min(RETRY_S * 2 ** (attempts - 1), LONGEST_RETRY_S)
            self._troubles[path] = _Trouble(reason, attempts, self._clock.now() + wait_s)
            while len(self._troubles) > MAX_ANSWERS:
                self._troubles.pop(next(iter(self._troubles)))
        if before is None or before.reason != reason:
            log.warning("not inspected yet", path=os.fspath(path), reason=reason)


def same_file(record: OutputRecord, facts: os.stat_result) -> bool:
    """True where the file is still the one that was inspected."""
    return stat.S_ISREG(facts.st_mode) and (
        record.size_bytes,
        record.mtime_ns,
        record.inode,
    ) == (facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _same_answer_file(one: OutputRecord, other: OutputRecord) -> bool:
    return (one.size_bytes, one.mtime_ns, one.inode) == (
        other.size_bytes,
        other.mtime_ns,
        other.inode,
    )
