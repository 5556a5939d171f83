"""Files that appear in an output directory: inspected as soon as they have settled."""

from __future__ import annotations

import time
from pathlib import Path

import structlog

from reconciler.errors import OutputError
from reconciler.outputs.scan import FileFact, Scan, look_at
from reconciler.outputs.settle import Settle
from reconciler.reconcile.files import OutputBook

log = structlog.get_logger(__name__)


class Arrivals:
    """Has files inspected before anyone asks: the answer is there when the prompt ends.

    Belongs to the service's loop: not thread-safe.
    """

    def __init__(self, book: OutputBook, settle_s: float) -> None:
        self._book = book
        self._settle = Settle(settle_s)
        self._waiting: set[Path] = set()

    def note(self, path: Path, closed: bool) -> None:
        """An event named this file."""
        if closed:
            self._settle.note_closed(path)
        self._look(path, time.monotonic())

    def note_scan(self, scan: Scan) -> None:
        """A listing found these files."""
        now_s = time.monotonic()
        for fact in scan.files:
            self._consider(fact, now_s)
        self._settle.keep({fact.path for fact in scan.files} | self._waiting)

    def tick(self) -> None:
        """Looks again at the files that had not settled."""
        now_s = time.monotonic()
        for path in list(self._waiting):
            self._look(path, now_s)

    def due_s(self) -> float | None:
        """Seconds until a waiting file may have settled; None if none waits."""
        now_s = time.monotonic()
        due = self._settle.due_s(now_s) if self._waiting else None
        return None if due is None else max(due - now_s, 0.0)

    def _look(self, path: Path, now_s: float) -> None:
        try:
            fact = look_at(path)
        except OutputError as error:
            log.warning("file not looked at", reason=str(error))
            fact = None
        if fact is None:
            self._waiting.discard(path)
        else:
            self._consider(fact, now_s)

    def _consider(self, fact: FileFact, now_s: float) -> None:
        if not self._settle.has_settled(fact, now_s):
            self._waiting.add(fact.path)
            return
        self._waiting.discard(fact.path)
        try:
            self._book.look_up(fact.path)
        except OutputError as error:
            log.warning("file not looked at", reason=str(error))
