"""Inspectors: warm processes, each confined, that inspect files for this one.

A worker (see `worker`) gets the open file and gives an inspection. Each file is seen by a process
of its own, so that no damaged or hostile one can spoil the verdict on the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from reconciler.errors import InspectionError
from reconciler.outputs.answer import progress_of, unpack, unpack_picture
from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.limits import Limits
from reconciler.outputs.paths import open_unchanged
from reconciler.outputs.picture import PictureOrder
from reconciler.outputs.progress import OnProgress
from reconciler.outputs.sandbox import Sandbox
from reconciler.outputs.wanted import USUAL, Wanted
from reconciler.outputs.wire import Message
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
        with self._room, open_unchanged(path) as (file, state), self._worker() as worker:
            seen = Inspection(path, "unknown", state.st_size, state.st_mtime_ns, state.st_ino)
            request = {"name": path.name, "wanted": asdict(wanted)}
            try:
                return unpack(self._ask(worker, request, file, on_progress), seen)
            except Crashed as crash:
                return replace(seen, defects=(Defect("decode", _words(crash)),))

    def picture(self, file: int, order: PictureOrder) -> bytes:
        """Make a picture of an open file; waits for a free worker.

        Raises InspectionError where it cannot be made; the message says why.
        """
        with self._room, self._worker() as worker:
            try:
                return unpack_picture(self._ask(worker, {"picture": asdict(order)}, file))
            except Crashed as crash:
                raise InspectionError(_words(crash)) from crash

    def sandbox(self) -> Sandbox:
        """Tell what a worker of this machine is confined by. Raises InspectionError."""
        with self._room, self._worker() as worker:
            return worker.sandbox

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
        request: Message,
        file: int,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Its answer; raises Crashed, too."""
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
        return answer

    @contextmanager
    def _worker(self) -> Iterator[WorkerProcess]:
        """One that is free, kept for the next file unless something went wrong."""
        worker, keep = self._take(), False
        try:
            yield worker
            keep = worker.alive and worker.files < FILES_PER_WORKER
        finally:
            self._give_back(worker, keep=keep)

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


def _words(crash: Crashed) -> str:
    return f"the decoder crashed on it (signal {crash.signal})"
