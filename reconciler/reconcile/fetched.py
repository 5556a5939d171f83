"""Files of a server whose output directory is not mounted: copies, fetched through its /view."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import structlog

from reconciler.comfyui.view import ViewedFile
from reconciler.core.evidence import FileState
from reconciler.errors import OutputError, ServerError
from reconciler.reconcile.files import (
    LONGEST_RETRY_S,
    MAX_ANSWERS,
    RETRY_S,
    Answer,
    OutputBook,
    same_file,
)
from reconciler.store.outputs import OutputRecord

log = structlog.get_logger(__name__)

#: What the server said of a file is asked again after this time, in seconds: a verdict that waits
#: for longer wants to know whether the file has changed or come.
ASK_AGAIN_S = 5.0


class View(Protocol):
    """What fetches a file (`comfyui.view.Viewer`)."""

    def fetch(
        self,
        name: str,
        target: Callable[[ViewedFile], BinaryIO | None],
        *,
        max_bytes: int,
        heard: Callable[[int, int], None],
    ) -> ViewedFile | None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Transfer:
    """How files are fetched from one server."""

    view: View
    fetchers: Executor
    #: Of one file; a larger one is not fetched.
    limit_bytes: int
    #: Of all copies that stay.
    keep_bytes: int


@dataclass(slots=True)
class _Fetch:
    """One file's transfers: the last one's outcome, and whether another runs."""

    running: bool = True
    #: How much is there, in words.
    so_far: str | None = None
    #: The file as the server described it, whose copy is here or was; or it knows no such file; or
    #: why neither can be said.
    here: ViewedFile | None = None
    absent: bool = False
    trouble: str | None = None
    failures: int = 0
    again_at: float = 0.0


class FetchedBook(OutputBook):
    """As `OutputBook`, of files that the server has to be asked for.

    A file is fetched when a verdict waits for it, whole, to a copy below `root`, and inspected
    there. Damage is confirmed on a second transfer. Copies that were inspected go, the oldest
    first, once there are more than `keep_bytes` of them; what was found stays known. There are no
    events and no listings: only what history lists is ever looked at. Thread-safe.
    """

    is_mounted = False

    def __init__(
        self,
        *args: Any,
        transfer: Transfer,
        monotonic: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        """`transfer` says how files come; the others are `OutputBook`'s."""
        super().__init__(*args, **kwargs)
        self._transfer = transfer
        self._monotonic = monotonic
        self._fetches: dict[Path, _Fetch] = {}

    def look_up(self, path: Path, *, urgent: bool = True) -> Answer:
        """The state of a file, as far as the server has told. Raises OutputError."""
        record = self._known(path)
        fetch = self._fetch_of(path, record)
        if fetch.absent:
            return Answer(FileState.ABSENT)
        if record and fetch.here and (fetch.running or self._stands(record, fetch.here)):
            return Answer(record.verdict, record)
        # Nobody but the server says that a file is missing: a copy that is gone is fetched anew.
        if fetch.here is None or fetch.running or not self._has_copy(path):
            return Answer(FileState.UNCHECKED, trouble=fetch.trouble)
        return super().look_up(path, urgent=urgent)

    def checked(self, path: Path, expected_frames: int | None = None) -> str | None:
        """How far the transfer or the inspection of a file is, in words."""
        with self._lock:
            fetch = self._fetches.get(path)
            if fetch is not None and fetch.so_far:
                return fetch.so_far
        return super().checked(path, expected_frames)

    def trouble(self, path: Path) -> str | None:
        """Why a file could not be fetched or inspected so far."""
        with self._lock:
            fetch = self._fetches.get(path)
        if fetch is not None and fetch.trouble:
            return fetch.trouble
        return super().trouble(path)

    def close(self) -> None:
        """Cuts the transfer that runs, too."""
        super().close()
        self._transfer.view.close()

    def waiting(self) -> bool:
        """True while files are fetched or inspected."""
        with self._lock:
            fetching = any(fetch.running for fetch in self._fetches.values())
        return fetching or super().waiting()

    def _stands(self, record: OutputRecord, now: ViewedFile) -> bool:
        """True for an answer about the file as it is now that no other look would change."""
        same = (record.size_bytes, record.mtime_ns) == (now.size_bytes, now.mtime_ns)
        certain = record.verdict is not FileState.UNSOUND or record.confirmed
        return same and certain and self._is_current(record)

    def _has_copy(self, path: Path) -> bool:
        if path.is_file():
            return True
        with self._lock:
            self._fetches.pop(path, None)
        return False

    def _fetch_of(self, path: Path, record: OutputRecord | None) -> _Fetch:
        """What is known of the transfer of a file now; one that is due is begun."""
        with self._lock:
            fetch = self._fetches.get(path)
            is_new = fetch is None
            fetch = fetch or self._fetches.setdefault(path, _Fetch())
            if not is_new and not self._is_due(path, fetch, record):
                return replace(fetch)
            fetch.running = True
            seen = replace(fetch)
            self._forget_old()
        try:
            self._transfer.fetchers.submit(self._fetch, path, fetch)
        except RuntimeError:  # the service is stopping: the next one fetches it
            fetch.running = False
        return seen

    def _is_due(self, path: Path, fetch: _Fetch, record: OutputRecord | None) -> bool:
        if fetch.running or path in self._running or self._monotonic() < fetch.again_at:
            return False
        if record is None or fetch.here is None or self._stands(record, fetch.here):
            return True
        # Damage takes a second transfer, and not one every few seconds.
        return self._clock.now() >= self._confirm_at(record)

    def _forget_old(self) -> None:
        if len(self._fetches) > MAX_ANSWERS:
            idle = (path for path, fetch in self._fetches.items() if not fetch.running)
            self._fetches.pop(next(idle))

    def _fetch(self, path: Path, fetch: _Fetch) -> None:
        try:
            found = self._transfer.view.fetch(
                path.relative_to(self.root).as_posix(),
                lambda described: self._copy_of(path, described),
                max_bytes=self._transfer.limit_bytes,
                heard=lambda taken, of: self._hear(fetch, taken, of),
            )
            if found is not None and found.mtime_ns is not None:
                with suppress(FileNotFoundError):  # known, and its copy is gone
                    os.utime(path, ns=(found.mtime_ns, found.mtime_ns))
            self._note(fetch, found)
            self._make_room(path)
        except (ServerError, OutputError) as error:
            self._note_failure(path, fetch, str(error))
        except Exception as error:  # a defect of ours must not hang the job
            log.exception("transfer failed", path=os.fspath(path))
            self._note_failure(path, fetch, f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                fetch.running, fetch.so_far = False, None
            self._on_answer(path)

    def _copy_of(self, path: Path, described: ViewedFile) -> BinaryIO | None:
        """Opens the copy to write to; None where this very file was inspected, or is here.

        It is written in place: the inode stays, by which the second transfer of a damaged file is
        known for the same file.
        """
        record = self._known(path)
        if record is not None and self._stands(record, described):
            return None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path.open("wb")

    def _make_room(self, newest: Path) -> None:
        """Deletes the oldest copies of which enough is known, until the rest fits."""
        copies = sorted(_files_below(self.root), key=lambda copy: copy[1].st_mtime_ns)
        too_many = sum(facts.st_size for _, facts in copies) - self._transfer.keep_bytes
        for path, facts in copies:
            if too_many <= 0:
                return
            if path == newest or self._is_in_use(path, facts):
                continue
            with suppress(OSError):
                path.unlink()
                too_many -= facts.st_size

    def _is_in_use(self, path: Path, facts: os.stat_result) -> bool:
        """True for a copy that is fetched or inspected, or is about to be: a job waits for it."""
        with self._lock:
            fetch, record = self._fetches.get(path), self._answers.get(path)
            if path in self._running or (fetch is not None and fetch.running):
                return True
            waits = fetch is not None and fetch.here is not None
            return waits and (record is None or not same_file(record, facts))

    def _hear(self, fetch: _Fetch, taken: int, of: int) -> None:
        with self._lock:
            fetch.so_far = f"{int(100 * taken / max(of, 1))} % fetched ({of / 1e6:.1f} MB in all)"

    def _note(self, fetch: _Fetch, found: ViewedFile | None) -> None:
        with self._lock:
            fetch.here, fetch.absent, fetch.trouble, fetch.failures = found, found is None, None, 0
            fetch.again_at = self._monotonic() + ASK_AGAIN_S

    def _note_failure(self, path: Path, fetch: _Fetch, reason: str) -> None:
        with self._lock:
            is_news = fetch.trouble != reason
            fetch.here, fetch.absent = None, False
            fetch.trouble = reason
            fetch.failures += 1
            wait_s = min(RETRY_S * 2 ** (fetch.failures - 1), LONGEST_RETRY_S)
            fetch.again_at = self._monotonic() + wait_s
        if is_news:
            log.warning("not fetched yet", path=os.fspath(path), reason=reason)


def _files_below(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            with suppress(OSError):
                yield path, path.lstat()
