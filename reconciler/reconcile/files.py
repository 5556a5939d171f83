"""What is known of the files of one server's output directory."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from reconciler import metrics
from reconciler.core.evidence import FileState
from reconciler.core.naming import NamePatterns
from reconciler.errors import DatabaseError, InspectionError, LeaseLost, OutputError
from reconciler.outputs.inspection import CHECKS_VERSION, Inspection, to_json
from reconciler.outputs.progress import OnProgress
from reconciler.outputs.siblings import group_of
from reconciler.outputs.storage import Storage
from reconciler.outputs.text import shown_path
from reconciler.outputs.wanted import Wanted
from reconciler.reconcile.checks import Checks
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.digests import Digests
from reconciler.reconcile.inspections import SMALL_BYTES, Inspections
from reconciler.store.outputs import OutputRecord, OutputStore
from reconciler.store.turns import Turns

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
    #: How far its inspection is, and why it could not be looked at so far, each in words.
    checked: str | None = None
    trouble: str | None = None


#: How a file is inspected: `Inspectors.inspect`.
Inspect = Callable[[Path, Wanted, OnProgress], Inspection]


@dataclass(slots=True)
class _Trouble:
    """An inspection that could not be run, and when to try again."""

    reason: str
    attempts: int
    retry_at: float


class OutputBook:
    """Answers what state a file is in, and has files inspected whose state is not known.

    The same size, time and inode give the same answer: nothing is decoded twice, except that
    damage is confirmed by a second inspection `unsound_confirm_s` later. A file that was moved, or
    is seen through another server's path, is known again by its device. What other checks said,
    or checks that were asked for other things, stands until a verdict waits for the file: an
    upgrade has the files of open jobs inspected anew, and not those of years. Thread-safe.
    """

    #: The files lie where they were written: what is not here is not there.
    is_mounted = True

    def __init__(
        self,
        server: str,
        root: Path,
        *,
        store: OutputStore,
        inspections: Inspections,
        inspect: Inspect,
        on_answer: Callable[[Path], None],
        clock: DatabaseClock,
        unsound_confirm_s: float,
        patterns: NamePatterns | None = None,
        wanted: Wanted | None = None,
        turns: Turns | None = None,
    ) -> None:
        """`turns`: with other agents that may see the same files."""
        self.server = server
        self.root = root
        #: For the loop's questions; inspections hang in threads of their own.
        self.storage = Storage(root)
        self._store = store
        self._inspections = inspections
        self._inspect = inspect
        self._on_answer = on_answer
        self._clock = clock
        self._unsound_confirm_s = unsound_confirm_s
        self._patterns = patterns or NamePatterns()
        self._wanted = wanted or Wanted()
        self._turns = turns
        self._checks = Checks()
        self.digests = Digests(server, inspections, on_answer)
        self._lock = threading.Lock()
        self._answers: dict[Path, OutputRecord] = {}
        #: When each file that is being inspected, or waits for it, was changed last.
        self._running: dict[Path, float] = {}
        #: To be inspected anew, whatever is known of them.
        self._doubted: set[Path] = set()
        self._troubles: dict[Path, _Trouble] = {}

    def look_up(self, path: Path, *, urgent: bool = True) -> Answer:
        """The state of a file now. An unknown one is handed to the inspection, where one that is
        `urgent`, since a verdict waits for it, goes first.

        Raises OutputError where the storage does not even say whether the file exists.
        """
        try:
            facts = self.storage.ask(lambda: os.stat(path, follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return Answer(FileState.ABSENT)
        except OSError as error:
            raise OutputError(f"{path} cannot be looked at: {error.strerror}") from error
        return self._judged(path, facts, self._known(path), urgent)

    def arrived(self, paths: Sequence[Path]) -> None:
        """These files are there and have settled: has those inspected that are not known.

        What cannot be looked at is left out: a pass or the next listing asks again.
        """
        self._recall(paths)
        try:
            found = self.storage.ask(lambda: _look_at_all(paths))
        except OutputError as error:
            log.warning("files not looked at", server=self.server, reason=str(error))
            return
        for path, facts in found.items():
            with self._lock:
                record = self._answers.get(path)
            self._judged(path, facts, record, urgent=False)

    def _judged(
        self, path: Path, facts: os.stat_result, record: OutputRecord | None, urgent: bool
    ) -> Answer:
        if (
            record is None
            or not same_file(record, facts)
            or (urgent and (path in self._doubted or not self._is_current(record)))
        ):
            self._request(path, facts, urgent)
            return Answer(FileState.UNCHECKED)
        doubtful = not record.sound and not record.confirmed
        if doubtful and self._clock.now() >= self._confirm_at(record):
            self._request(path, facts, urgent)
        return Answer(record.verdict, record)

    def trouble(self, path: Path) -> str | None:
        """Why a file could not be inspected so far, if so, in words that begin without its name."""
        with self._lock:
            trouble = self._troubles.get(path)
        if trouble is None:
            return None
        times = "once" if trouble.attempts == 1 else f"{trouble.attempts} times"
        return f"{trouble.reason.removeprefix(f'{shown_path(path)} ')}; tried {times}"

    def checked(self, path: Path, expected_frames: int | None = None) -> str | None:
        """How far the inspection of a file is that takes long, in words."""
        return self._checks.words(path, expected_frames)

    def doubt(self, path: Path) -> None:
        """The next look at this file has it inspected anew, though it did not change."""
        with self._lock:
            self._doubted.add(path)

    def note_identical(self, record: OutputRecord, digest: str) -> None:
        """The file has the digest that its manifest tells."""
        if record.identical_to != digest:
            self._store.note_identical(record, digest)
            self._remember(replace(record, identical_to=digest))

    def close(self) -> None:
        """Ends what is under way soon."""
        self.digests.stop()

    def waiting(self) -> bool:
        """True while inspections run or wait for a worker."""
        return bool(self._running) or self.digests.waiting()

    def unread(self, since: float, until: float) -> int:
        """How many files that were changed last within this time are still to be inspected."""
        with self._lock:
            return sum(since <= changed_at <= until for changed_at in self._running.values())

    def _is_current(self, record: OutputRecord) -> bool:
        """True where the answer is what the checks of today would give."""
        return record.checks_version == CHECKS_VERSION and record.wanted == asdict(self._wanted)

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

    def _recall(self, paths: Sequence[Path]) -> None:
        """Reads in one go what is known of files that are not in memory: a storm brings many."""
        with self._lock:
            missing = [path for path in paths if path not in self._answers]
        if missing:
            for record in self._store.known(missing).values():
                self._remember(record)

    def _remember(self, record: OutputRecord) -> None:
        with self._lock:
            self._answers.pop(record.path, None)
            self._answers[record.path] = record
            if len(self._answers) > MAX_ANSWERS:
                self._answers.pop(next(iter(self._answers)))

    def _request(self, path: Path, facts: os.stat_result, urgent: bool) -> None:
        small = facts.st_size < SMALL_BYTES
        key = (self.server, path)
        with self._lock:
            trouble = self._troubles.get(path)
            if trouble and self._clock.now() < trouble.retry_at:
                return
            if path in self._running:
                if urgent:
                    self._inspections.hurry(key)
                return
            self._running[path] = facts.st_mtime
        try:
            self._inspections.add(key, lambda: self._work(path), urgent=urgent, small=small)
        except RuntimeError:  # the service is stopping: the next one inspects it
            with self._lock:
                self._running.pop(path, None)

    def _work(self, path: Path) -> None:
        key = self._store.spaces.key(path) if self._turns else b""
        try:
            if self._turns and not self._turns.take(key):
                self._note_others_turn(path)
                return
            try:
                doubted = path in self._doubted
                if doubted or not self._turns or not self._was_answered(path):
                    self._answer(path)
            finally:
                if self._turns:
                    self._turns.give(key)
        except LeaseLost as error:  # whoever has the server now inspects it
            log.debug("not stored", path=os.fspath(path), reason=str(error))
        except (OutputError, InspectionError, DatabaseError) as error:
            self._note_trouble(path, str(error))
        except Exception as error:  # a defect of ours must not end the worker or hang the job
            log.exception("inspection failed", path=os.fspath(path))
            self._note_trouble(path, f"{type(error).__name__}: {error}")
        finally:
            self._checks.done(path)
            with self._lock:
                self._running.pop(path, None)
            self._on_answer(path)

    def _was_answered(self, path: Path) -> bool:
        """True where another agent has inspected it in its turn, just before ours."""
        record = self._known(path)
        if record is None or not self._is_current(record):
            return False
        try:
            facts = os.stat(path, follow_symlinks=False)
        except OSError:
            return False
        stands = record.sound or record.confirmed or self._clock.now() < self._confirm_at(record)
        return same_file(record, facts) and stands

    def _answer(self, path: Path) -> None:
        before = self._known(path)
        again = None if path in self._doubted else self._found_again(path, before)
        record = again or self._inspected(path, before)
        self._store.save(record)
        self._remember(replace(record, thumbnail=None))
        with self._lock:
            self._troubles.pop(path, None)
            self._doubted.discard(path)

    def _found_again(self, path: Path, before: OutputRecord | None) -> OutputRecord | None:
        """The answer about this very file under another name; None where there is none.

        The ending is part of what is checked: a file that was given another is inspected.
        """
        try:
            facts = os.stat(path, follow_symlinks=False)
        except OSError:
            return None
        if before is not None and same_file(before, facts) and self._is_current(before):
            return None  # its damage is to be confirmed
        known = self._store.same_file(facts, CHECKS_VERSION, asdict(self._wanted))
        suffix = path.suffix.lower()
        found = next((each for each in known if each.path.suffix.lower() == suffix), None)
        if found is None:
            return None
        if found.path != path:
            log.info("known under another name", path=os.fspath(path), was=os.fspath(found.path))
        here = replace(found, path=path, server=self.server, job_id=None, prompt_id=None)
        return self._named(replace(here, inspected_at=self._clock.now()))

    def _inspected(self, path: Path, before: OutputRecord | None) -> OutputRecord:
        with metrics.inspecting() as told:
            inspection = self._inspect(
                path, self._wanted, lambda progress: self._checks.heard(path, progress)
            )
            told(inspection.verdict.value)
        record = self._record(inspection)
        if before is not None and not record.sound and _says_the_same(before, record):
            first = before.unsound_since if before.unsound_since is not None else self._clock.now()
            late = self._clock.now() - first >= self._unsound_confirm_s
            record = replace(record, unsound_since=first, confirmed=late)
        log.log(
            logging.INFO if record.sound else logging.WARNING,
            "inspected",
            path=os.fspath(path),
            verdict=record.verdict.value,
            frames=inspection.frames,
            defects=[defect.detail for defect in inspection.defects],
        )
        return record

    def _record(self, inspection: Inspection) -> OutputRecord:
        now = self._clock.now()
        record = OutputRecord(
            path=inspection.path,
            server=self.server,
            size_bytes=inspection.size_bytes,
            mtime_ns=inspection.mtime_ns,
            inode=inspection.inode,
            inspection=to_json(inspection),
            verdict=FileState(inspection.verdict.value),
            tag_job_id=inspection.tags.get("job_id"),
            tag_prompt_id=inspection.tags.get("prompt_id"),
            unsound_since=None if inspection.sound else now,
            inspected_at=now,
            thumbnail=inspection.thumbnail,
            checks_version=CHECKS_VERSION,
            wanted=asdict(self._wanted),
        )
        return self._named(replace(record, device=_device_of(record)))

    def _named(self, record: OutputRecord) -> OutputRecord:
        """With what its path says."""
        named = self._patterns.read(record.path.relative_to(self.root).as_posix())
        group = group_of(record.path.name)
        return replace(
            record,
            named_job_id=named.job_id,
            named_prompt_id=named.prompt_id,
            group=None if group is None else record.path.parent / group,
        )

    def _note_others_turn(self, path: Path) -> None:
        """Its answer will be found in the database."""
        with self._lock:
            retry_at = self._clock.now() + RETRY_S
            self._troubles[path] = _Trouble("another agent is inspecting it", 1, retry_at)

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


def _look_at_all(paths: Iterable[Path]) -> dict[Path, os.stat_result]:
    found = {}
    for path in paths:
        with suppress(OSError):
            found[path] = os.stat(path, follow_symlinks=False)
    return found


def same_file(record: OutputRecord, facts: os.stat_result) -> bool:
    """True where the file is still the one that was inspected."""
    return stat.S_ISREG(facts.st_mode) and (
        record.size_bytes,
        record.mtime_ns,
        record.inode,
    ) == (facts.st_size, facts.st_mtime_ns, facts.st_ino)


def _device_of(record: OutputRecord) -> int | None:
    """Where the file lies; None where it is no longer the one that was inspected."""
    try:
        facts = os.stat(record.path, follow_symlinks=False)
    except OSError:
        return None
    return facts.st_dev if same_file(record, facts) else None


def _says_the_same(one: OutputRecord, other: OutputRecord) -> bool:
    """True for one verdict about one file: what could not be judged was not damaged before."""
    return (one.size_bytes, one.mtime_ns, one.inode, one.verdict) == (
        other.size_bytes,
        other.mtime_ns,
        other.inode,
        other.verdict,
    )
