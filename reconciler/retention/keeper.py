"""Runs the tasks of the retention beside the passes, and never in their way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from reconciler.errors import DatabaseError
from reconciler.retention.task import Task

log = structlog.get_logger(__name__)

#: Between two batches, in seconds: other work gets its turn.
PAUSE_S = 0.2
#: After a start the rows come first; in seconds.
FIRST_S = 30.0


class Quiet:
    """Says whether a pass is running. One thread runs passes, another asks."""

    def __init__(self) -> None:
        self._passes = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._passes += 1

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._passes -= 1
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """True as soon as no pass runs."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._passes, timeout_s)


@dataclass
class Keeper:
    """A thread that does every task each `interval_s`, batch after batch, with pauses."""

    tasks: Sequence[Task]
    interval_s: float
    #: Whether this server's lease is ours.
    holds: Callable[[str], bool] = lambda server: True
    #: To be entered for each pass.
    passing: Quiet = field(default_factory=Quiet)
    #: Called when the thread ends.
    close: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begins; the first round is not at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the batch that is being done."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5.0)

    def run_round(self) -> dict[str, int]:
        """Every task until nothing is left for it. What was removed, by task."""
        removed: dict[str, int] = {}
        for task in self.tasks:
            try:
                number = self._finish(task)
            except DatabaseError as error:
                log.warning("retention: trying again later", what=task.name, error=str(error))
                continue
            if number:
                removed[task.name] = removed.get(task.name, 0) + number
        if removed:
            log.info("retention: removed", **removed)
        return removed

    def _finish(self, task: Task) -> int:
        removed = 0
        while self._is_clear() and self.holds(task.lease):
            pruned = task.run_once()
            removed += pruned.removed
            if not pruned.more or self._stopping.wait(PAUSE_S):
                break
        return removed

    def _is_clear(self) -> bool:
        """Waits for the end of the pass that is running; False where we are to stop."""
        while not self._stopping.is_set():
            if self.passing.wait(PAUSE_S):
                return True
        return False

    def _run(self) -> None:
        wait_s = min(FIRST_S, self.interval_s)
        while not self._stopping.wait(wait_s):
            try:
                self.run_round()
            except Exception:  # a defect of ours must not end it for good
                log.exception("a defect: please report it")
            wait_s = self.interval_s
        self.close()
