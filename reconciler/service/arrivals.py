"""Files that appear in an output directory: inspected as soon as they have settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path

import structlog

from reconciler.errors import OutputError
from reconciler.outputs.scan import FileFact, Scan, look_at
from reconciler.outputs.settle import Settle
from reconciler.reconcile.files import OutputBook

log = structlog.get_logger(__name__)

#: Looks at files that have not settled take up this share of the time at most; seconds for one.
_LOOK_SHARE = 0.1
_LOOK_S = 5e-6
#: Files are looked at, and settled ones asked for, so many at a time: storage that takes
#: milliseconds for each must not seem to hang.
_BATCH = 1000
#: What is left after so long waits for the next tick, in seconds: others have their turn.
_AT_ONCE_S = 1.0


class Arrivals:
    """Has files inspected before anyone asks: the answer is there when the prompt ends.

    Belongs to the service's loop, which notes what it heard and then calls `tick`: not
    thread-safe.
    """

    def __init__(
        self, book: OutputBook, settle_s: float, on_growth: Callable[[], None] = lambda: None
    ) -> None:
        """`on_growth` is called when a waiting file turns out to have grown: a sign of life."""
        self._book = book
        self._settle = Settle(settle_s)
        self._on_growth = on_growth
        self._waiting: dict[Path, FileFact] = {}
        #: Files that are being written, and how they looked last.
        self._open: dict[Path, FileFact | None] = {}
        #: The same as the last listing found them.
        self._listed: dict[Path, FileFact] = {}
        #: Those that something was heard of, and those that may be inspected.
        self._noticed: dict[Path, None] = {}
        self._settled: dict[Path, None] = {}
        #: Some of those noticed are to be looked at without delay.
        self._more = False
        self._looked_s = self._next_look_s = time.monotonic()

    def note(self, path: Path, *, closed: bool, close_will_come: bool) -> None:
        """An event named this file.

        Where inotify watches, a file that is open will be closed: quiet for a second it may be
        in the middle of an encode. Until then it is watched for growth alone, and if its close
        was lost, two listings in a row find it settled.
        """
        if closed:
            self._settle.note_closed(path)
            self._open.pop(path, None)
        elif close_will_come and not self._settle.was_closed(path):  # hints come in any order
            self._open[path] = None
        self._noticed[path] = None

    def lose_track(self) -> None:
        """Events may have been lost: a close, too. Files that are open must be quiet to settle."""
        self._noticed |= dict.fromkeys(self._open)
        self._open, self._listed = {}, {}

    def note_scan(self, scan: Scan) -> None:
        """A listing found these files."""
        now_s = time.monotonic()
        for fact in scan.files:
            if self._listed.get(fact.path) == fact:  # as it was a listing ago: closed unseen
                self._open.pop(fact.path, None)
            if fact.path not in self._open:
                self._consider(fact, now_s)
        self._listed = {fact.path: fact for fact in scan.files if fact.path in self._open}
        self._settle.keep({fact.path for fact in scan.files} | self._waiting.keys())

    def tick(self) -> None:
        """Looks again at the files that had not settled, and asks for those that have.

        Raises DatabaseError; the files are asked for again by the next.
        """
        now_s = time.monotonic()
        if now_s >= self._next_look_s:
            self._looked_s = now_s
            unsettled = self._waiting.keys() | self._open.keys()
            self._noticed |= dict.fromkeys(unsettled)
            self._next_look_s = now_s + len(unsettled) * _LOOK_S / _LOOK_SHARE
        self._look()
        while self._settled:
            batch = list(islice(self._settled, _BATCH))
            self._book.arrived(batch)
            for path in batch:
                del self._settled[path]

    def due_s(self) -> float | None:
        """Seconds until a waiting file may have settled; None if none waits."""
        if self._more:
            return 0.0
        due_s = self._settle.due_s(self._looked_s) if self._waiting else None
        return None if due_s is None else max(max(due_s, self._next_look_s) - time.monotonic(), 0.0)

    def _look(self) -> None:
        """Looks at those that were noticed. While the storage hangs they are kept in mind."""
        began_s = now_s = time.monotonic()
        while self._noticed and now_s <= began_s + _AT_ONCE_S:
            paths = list(islice(self._noticed, _BATCH))
            try:
                found = self._book.storage.ask(partial(_seen, paths))
            except OutputError as error:
                log.warning("files not looked at", reason=str(error))
                self._more = False
                return
            for path, fact in found:
                del self._noticed[path]
                self._take(path, fact, now_s)
            now_s = time.monotonic()
        self._more = bool(self._noticed)
        self._next_look_s = max(self._next_look_s, now_s + (now_s - began_s) / _LOOK_SHARE)

    def _take(self, path: Path, fact: FileFact | None, now_s: float) -> None:
        if fact is None:
            self._waiting.pop(path, None)
            self._open.pop(path, None)
        elif path in self._open:
            self._watch_growth(path, fact)
        else:
            self._consider(fact, now_s)

    def _watch_growth(self, path: Path, fact: FileFact) -> None:
        if self._open[path] not in (None, fact):
            self._on_growth()
        self._open[path] = fact

    def _consider(self, fact: FileFact, now_s: float) -> None:
        if self._waiting.get(fact.path, fact) != fact:
            self._on_growth()
        if not self._settle.has_settled(fact, now_s):
            self._waiting[fact.path] = fact
            return
        self._waiting.pop(fact.path, None)
        self._settled[fact.path] = None


def _seen(paths: Iterable[Path]) -> list[tuple[Path, FileFact | None]]:
    found: list[tuple[Path, FileFact | None]] = []
    for path in paths:
        try:
            found.append((path, look_at(path)))
        except OutputError as error:
            log.warning("file not looked at", reason=str(error))
            found.append((path, None))
    return found
