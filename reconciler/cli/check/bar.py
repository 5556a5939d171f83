"""How far a check has come: a bar on stderr, where that is a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.terminal import err, out, say
from reconciler.outputs.progress import Progress as Done
from reconciler.outputs.text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

#: Columns for the name of the file that is being inspected.
NAME = 28


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a check tells of its progress; each call may come from any thread."""

    begun: Callable[[Path], None]
    #: How far a file that takes long has come.
    within: Callable[[Path, Done], None]
    done: Callable[[Path], None]
    #: Shows data on stdout without tearing the bar.
    show: Callable[[RenderableType], None]


def _nothing(*_: object) -> None:
    pass


#: Nobody would see a bar.
SILENT = Bar(_nothing, _nothing, _nothing, say)


@contextmanager
def bar(count: Callable[[], int], raw: bool) -> Iterator[Bar]:
    """A bar for as many files as `count` finds. `raw`: what is shown is for programs; on a
    terminal it would tear the bar."""
    if not err().is_terminal or (raw and out().is_terminal):
        yield SILENT
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task("", total=count())
        files = _Files(progress, task)
        # Both streams on one terminal: the bar makes way only for what its own console prints.
        show = progress.console.print if out().is_terminal else say
        yield Bar(files.begun, files.within, files.done, show)


class _Files:
    """The files being inspected now; the one that began first is named."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._lock = threading.Lock()
        self._running: dict[Path, Done] = {}

    def begun(self, path: Path) -> None:
        self.within(path, Done())

    def within(self, path: Path, done: Done) -> None:
        with self._lock:
            self._running[path] = done
            self._tell()

    def done(self, path: Path) -> None:
        with self._lock:
            self._running.pop(path, None)
            self._progress.advance(self._task)
            self._tell()

    def _tell(self) -> None:
        path, done = next(iter(self._running.items()), (None, Done()))
        words = "" if path is None else f"{printable(path.name, NAME)}{_words(done)}"
        self._progress.update(self._task, description=words)


def _words(done: Done) -> str:
    if done.frames:
        return f", frame {done.frames}"
    return f", {done.time_s:.0f} s" if done.time_s else ""
