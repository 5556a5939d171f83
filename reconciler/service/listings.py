"""Listings of the output directories, in threads: storage may be slow, or hang."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import structlog

from reconciler.errors import OutputError
from reconciler.outputs.rescans import Rescans
from reconciler.outputs.scan import Scan

log = structlog.get_logger(__name__)

#: Listings in their turn take up this share of the time at most, with storage that is slow.
_SHARE = 0.1


class Listings:
    """One listing at a time of each directory. Belongs to the service's loop: not thread-safe."""

    def __init__(self, roots: Mapping[str, Path], on_done: Callable[[str], None]) -> None:
        """`roots` by name. `on_done` hears, in a thread, of each listing that can be taken: a hint,
        which may get lost."""
        self._rescans = {name: Rescans(root) for name, root in roots.items()}
        self._on_done = on_done
        # A thread for each: a share that hangs must not keep the others from being listed.
        self._threads = ThreadPoolExecutor(max(len(roots), 1), "scan")
        self._running: dict[str, Future[Scan]] = {}
        self._began_s: dict[str, float] = {}
        self._not_before_s: dict[str, float] = {}
        #: Events were lost while a listing ran, which may have been past the place.
        self._again: dict[str, float] = {}

    def begin(self, name: str, newer_than: float, *, whole: bool) -> None:
        """Begins one, unless one is running. One of the `whole`, since events were lost, is then
        begun when that is done; one in its turn is left out."""
        now_s = time.monotonic()
        if name in self._running:
            if whole:
                self._again[name] = newer_than
            return
        if not whole and now_s < self._not_before_s.get(name, 0.0):
            return
        self._began_s[name] = now_s
        future = self._threads.submit(self._rescans[name].scan, newer_than, whole=whole)
        self._running[name] = future
        future.add_done_callback(lambda _: self._on_done(name))

    def taken(self) -> Iterator[tuple[str, Scan]]:
        """The listings that are done; of one that failed, the log tells."""
        for name in [name for name, future in self._running.items() if future.done()]:
            if (found := self._take(name)) is not None:
                yield name, found

    def _take(self, name: str) -> Scan | None:
        future = self._running.pop(name)
        if future.cancelled():
            return None
        now_s = time.monotonic()
        self._not_before_s[name] = now_s + (now_s - self._began_s[name]) * (1 / _SHARE - 1)
        if name in self._again:
            self.begin(name, self._again.pop(name), whole=True)
        try:
            found = future.result()
        except OutputError as error:
            log.warning("output directory not listed", server=name, reason=str(error))
            return None
        for problem in found.problems:
            log.warning("part of the output directory not listed", server=name, reason=problem)
        return found

    def close(self) -> None:
        """Begins no other; one that hangs is left to itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
