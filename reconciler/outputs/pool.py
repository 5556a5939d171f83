"""Inspectors: warm processes, each confined, that inspect files for this one.

A worker (see `worker`) gets the open file and gives an inspection. Each file is seen by a process
of its own, so that no damaged or hostile one can spoil the verdict on the next.
"""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

from reconciler.errors import InspectionError
from reconciler.outputs.answer import progress_of, unpack
from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.limits import Limits
from reconciler.outputs.paths import open_unchanged
from reconciler.outputs.progress import OnProgress
from reconciler.outputs.sandbox import Sandbox
from reconciler.outputs.wanted import USUAL, Wanted
from reconciler.outputs.worker_process import Crashed, WorkerProcess

#: A worker is replaced after so many files: whatever may leak in a decoder, it stays small.
FILES_PER_WORKER = 500


class Inspectors:
    """Inspects files in other processes, at most `workers` at once. Thread-safe.

    Workers start when they are first needed. Close it, else they live as long as this process.
    """

    def __init__(self, workers: int, limits: Limits) -> None:
        self._limits = limits
        self._room = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False

    def inspect(
        self, path: Path, wanted: Wanted = USUAL, on_progress: OnProgress | None = None
    ) -> Inspection:
        """Inspect a file; waits for a free worker. `on_progress` is called in this thread.

        Raises OutputError where the file cannot be opened, is no regular file, or changed
        meanwhile, and InspectionError where the inspection could not be run, went beyond a limit,
        or was stopped by `close`. A damaged file raises nothing: its `defects` say what is wrong.
        """
        with self._room, open_unchanged(path) as (file, state):
            seen = Inspection(path, "unknown", state.st_size, state.st_mtime_ns, state.st_ino)
            worker, keep = self._take(), False
            try:
                inspection = self._ask(worker, seen, file, wanted, on_progress)
                keep = worker.alive and worker.files < FILES_PER_WORKER
            finally:
                self._give_back(worker, keep=keep)
        return inspection

    def sandbox(self) -> Sandbox:
        """Tell what a worker of this machine is confined by. Raises InspectionError."""
        with self._room:
            worker, keep = self._take(), False
            try:
                sandbox, keep = worker.sandbox, True
            finally:
                self._give_back(worker, keep=keep)
        return sandbox

    def close(self) -> None:
        """End all workers. What is being inspected raises InspectionError, and so does all else."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for worker in self._busy:
                worker.stop()
        for worker in idle:
            worker.end()

    def _ask(
        self,
        worker: WorkerProcess,
        seen: Inspection,
        file: int,
        wanted: Wanted,
        on_progress: OnProgress | None,
    ) -> Inspection:
        request = {"name": seen.path.name, "wanted": asdict(wanted)}
        deadline = time.monotonic() + self._limits.wall_s
        try:
            answer = worker.ask(request, file, deadline)
            while "progress" in answer:
                progress = progress_of(answer)
                if progress is not None and on_progress is not None:
                    on_progress(progress)
                answer = worker.next_answer(deadline)
        except TimeoutError as error:
            took = f"longer than {self._limits.wall_s:g} s"
            raise InspectionError(f"inspection took {took} and was ended") from error
        except Crashed as crash:
            words = f"the decoder crashed on it (signal {crash.signal})"
            return replace(seen, defects=(Defect("decode", words),))
        return unpack(answer, seen)

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise InspectionError("the inspection was stopped")
            worker = self._idle.pop() if self._idle else WorkerProcess(self._limits)
            self._busy.add(worker)
        try:
            worker.await_ready()
        except BaseException:
            self._give_back(worker, keep=False)
            raise
        return worker

    def _give_back(self, worker: WorkerProcess, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            if keep and not self._closed:
                self._idle.append(worker)
                return
        worker.end()
