"""`reconciler check --watch`: the files of folders, each checked once it has settled, and again
whenever it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.check.listing import Listing
from reconciler.errors import OutputError
from reconciler.outputs.scan import FileFact, look_at
from reconciler.outputs.settle import Settle
from reconciler.outputs.text import shown_path
from reconciler.outputs.watch import Change, OutputWatch

if TYPE_CHECKING:
    from reconciler.settings import Settings

#: A file that is being written is looked at no more often, in seconds.
LEAST_WAIT_S = 0.05


class Folders:
    """Which files are to be checked now. It belongs to one thread; times are monotonic seconds.

    Events are hints to look at a file at once. What is true is the listing, made anew every
    `rescan_s`, and whenever events may have been lost.
    """

    def __init__(self, listing: Listing, *, settle_s: float, rescan_s: float) -> None:
        self._listing = listing
        self._rescan_s = rescan_s
        self._rescan_at_s = 0.0
        self._settle = Settle(settle_s)
        #: The files to look at, and all of them as they were when they were given out.
        self._due: set[Path] = set()
        self._given: dict[Path, FileFact] = {}

    def pass_over(self) -> None:
        """Take what is there now for checked."""
        for path in self._listing.files():
            if fact := _look(path):
                self._given[path] = fact

    def hear(self, change: Change) -> None:
        """Something happened to a file."""
        if change.manifest or not self._is_ours(change.path):
            return
        if change.closed:
            self._settle.note_closed(change.path)
        self._due.add(change.path)

    def lost(self) -> None:
        """Events may be missing: list everything."""
        self._rescan_at_s = 0.0

    def settled(self, now_s: float, running: Collection[Path]) -> Iterator[Path]:
        """Give the files that are finished, and not as they were when they were given last.

        Those that are `running` wait: what is heard of them is looked at when they are done.
        """
        if now_s >= self._rescan_at_s:
            self._rescan(now_s)
        for path in sorted(self._due.difference(running)):
            fact = _look(path)
            if fact is None or fact == self._given.get(path):
                self._due.discard(path)
            elif self._settle.has_settled(fact, now_s):
                self._due.discard(path)
                self._given[path] = fact
                yield path

    def stands(self, path: Path) -> bool:
        """True where a file still is what was given out. One that changed becomes due again."""
        fact = _look(path)
        if fact is not None and fact != self._given.get(path):
            self._due.add(path)
            return False
        return fact is not None

    def wait_s(self, now_s: float) -> float:
        """How long nothing needs to be looked at, unless something is heard."""
        next_s = self._rescan_at_s
        if self._due and (due_s := self._settle.due_s(now_s)) is not None:
            next_s = min(next_s, due_s)
        return max(next_s - now_s, LEAST_WAIT_S)

    def _rescan(self, now_s: float) -> None:
        there = set(self._listing.files())
        self._due |= there
        self._given = {path: fact for path, fact in self._given.items() if path in there}
        self._settle.keep(there)
        self._rescan_at_s = now_s + self._rescan_s

    def _is_ours(self, path: Path) -> bool:
        return self._listing.recursive or path.parent in self._listing.given


def _look(path: Path) -> FileFact | None:
    try:
        return look_at(path)
    except OutputError:
        return None  # the next listing looks again


def require_folders(given: Sequence[Path]) -> None:
    """Only folders can be watched. Raises OutputError."""
    for path in given:
        if not os.path.isdir(path):
            raise OutputError(
                f"{shown_path(path)} is no folder: --watch follows what happens in folders"
            )


@contextmanager
def watches(
    given: Sequence[Path], settings: Settings, tell: Callable[[Change | str], None]
) -> Iterator[list[OutputWatch]]:
    """Watches on the folders. `tell` gets each change, and in words that events may be lost."""
    with ExitStack() as stack:
        begun = []
        for folder in given:
            watch = OutputWatch(
                folder,
                tell,
                tell,
                observer=settings.watch.observer,
                poll_interval_s=settings.watch.poll_interval_s,
            )
            watch.start()
            stack.callback(watch.stop)
            begun.append(watch)
        yield begun
