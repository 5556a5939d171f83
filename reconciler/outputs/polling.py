"""Watching by looking again and again: for what inotify cannot see, or has no watches left for."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import OutputError
from reconciler.outputs.change import Change
from reconciler.outputs.rescans import Rescans
from reconciler.outputs.scan import FileFact

log = logging.getLogger(__name__)

#: Looks take up this share of the time at most. It goes by the shortest of the last few: the first
#: two are long, and later ones when everything is listed anew.
_POLL_SHARE = 0.1
_FEW = 3
#: Files that were changed within so long before are watched for growth from the first look on, in
#: seconds: a clock of the storage that is an hour behind ours does no harm.
_YOUNG_S = 7200.0


class Poller:
    """Tells of files below `root` that appear or change. It never hears a close, and tells of no
    deletion and of no manifest. Ends when the root is gone."""

    def __init__(self, root: Path, on_change: Callable[[Change], None], interval_s: float) -> None:
        """`interval_s`: between two looks; they are less often where a look takes long."""
        self._rescans = Rescans(root)
        self._on_change = on_change
        self._interval_s = interval_s
        self._took_s: deque[float] = deque([0.0] * _FEW, _FEW)
        self._told: dict[Path, FileFact] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """The first look; changes are told from then on. Raises `OutputError`."""
        self._told = self._look()
        self._thread.start()

    def is_alive(self) -> bool:
        """True while it looks."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Nothing is told after it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pace_s()):
            try:
                found = self._look()
            except OutputError as error:
                log.info("no longer polled: %s", error)
                return
            for path, fact in found.items():
                if self._told.get(path) != fact and not self._stopping.is_set():
                    self._on_change(Change(path, closed=False))
            self._told = found

    def _look(self) -> dict[Path, FileFact]:
        began_s = time.monotonic()
        found = self._rescans.scan(time.time() - _YOUNG_S)
        self._took_s.append(time.monotonic() - began_s)
        return {fact.path: fact for fact in found.files}

    def _pace_s(self) -> float:
        return max(self._interval_s, min(self._took_s) / _POLL_SHARE)
