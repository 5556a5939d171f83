"""A watch, and everything that it said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from reconciler.outputs.watch import Change, OutputWatch

Kind = Literal["inotify", "polling"]

DEADLINE_S = 20.0


class Heard:
    """Everything that a watch said, to be waited for."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.changes: list[Change] = []
        self.paths: set[Path] = set()
        self.lost: list[str] = []

    def on_change(self, change: Change) -> None:
        with self._news:
            self.changes.append(change)
            self.paths.add(change.path)
            self._news.notify_all()

    def on_lost(self, words: str) -> None:
        with self._news:
            self.lost.append(words)
            self._news.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; some conditions become true without news, so look again, too."""
        with self._news:
            for _ in range(int(DEADLINE_S / 0.02)):
                if self._news.wait_for(condition, 0.02):
                    return
        raise AssertionError(f"not in {DEADLINE_S} s; heard {self.changes[-5:]} {self.lost}")

    def until_changed(self, *paths: Path) -> None:
        wanted = set(paths)
        self.until(lambda: len(self.paths) >= len(wanted) and wanted <= self.paths)

    def until_closed(self, *paths: Path) -> None:
        self.until(lambda: {Change(path, closed=True) for path in paths} <= set(self.changes))

    def until_said(self, words: str) -> None:
        self.until(lambda: any(words in said for said in self.lost))


@contextmanager
def watching(
    root: Path, heard: Heard, kind: Literal["auto", "inotify", "polling"] = "auto"
) -> Iterator[OutputWatch]:
    watched = OutputWatch(
        root,
        heard.on_change,
        heard.on_lost,
        observer=kind,
        poll_interval_s=0.05,
        check_interval_s=0.05,
    )
    watched.start()
    try:
        yield watched
    finally:
        watched.stop()


def swap_folders(root: Path, away: Path, heard: Heard) -> None:
    """One folder is moved away and another takes its name: watchdog 7.1 loses count of them."""
    for name in ("next", "today"):
        (root / name).mkdir()
        (root / name / "a.png").touch()
        heard.until_changed(root / name / "a.png")
    (root / "today").rename(away)
    (root / "next").rename(root / "today")
    heard.until_changed(root / "today" / "a.png")
