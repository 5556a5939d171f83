"""The thread that runs prompts, one after the other, and how it dies."""

from __future__ import annotations

import threading
import time

import structlog

from reconciler.simulator.execution import Execution
from reconciler.simulator.executor import Executor
from reconciler.simulator.queue import Item, OldPromptQueue, remove_sensitive
from reconciler.simulator.server import PromptServer
from reconciler.simulator.signals import LifeOver, Signals, WorkerKilled
from reconciler.simulator.truth import Ending
from reconciler.simulator.world import World

log = structlog.get_logger(__name__)

#: How often an idle worker looks whether it may go on.
LOOK_S = 0.1


class Worker:
    """The prompt worker of one life."""

    def __init__(
        self, world: World, server: PromptServer, signals: Signals, executor: Executor
    ) -> None:
        self._world = world
        self._server = server
        self._signals = signals
        self._executor = executor
        # The thread's name is "Thread-<n> (prompt_worker)", as in ComfyUI: from inside the process
        # its absence is the sign of a zombie.
        self._thread = threading.Thread(target=self.prompt_worker, daemon=True)

    def start(self) -> None:
        """Begin with the first prompt."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end; the signals must have told it."""
        if self._thread.ident is not None:
            self._thread.join()

    def prompt_worker(self) -> None:
        """Run prompts until the worker is killed or the life is over."""
        try:
            while True:
                self._signals.check_worker()
                taken = self._server.prompt_queue.get(timeout=LOOK_S)
                if taken is not None:
                    self._perform(*taken)
        except (LifeOver, WorkerKilled):
            return
        except Exception:
            log.exception("simulator_worker_died")

    def _perform(self, item: Item, item_id: int) -> None:
        self._server.last_prompt_id = item[1]
        self._world.note(item, started_at=time.time())
        execution = self._prepare(item)
        try:
            self._executor.execute(execution, item[4])
            self._signals.check_worker()
        except LifeOver:
            self._note_end(item, execution, Ending.LOST)
            raise
        except WorkerKilled:
            self._note_end(item, execution, Ending.WORKER_DEAD)
            raise
        self._note_end(item, execution, execution.ending)
        self._finish(item_id, execution)
        self._executor.tell_end(execution)

    def _prepare(self, item: Item) -> Execution:
        """0.3.64 accepts `extra_data: null`, and its worker dies of it."""
        try:
            return self._executor.prepare(item)
        except Exception:
            self._world.note(item, ending=Ending.WORKER_DEAD, ended_at=time.time())
            raise

    def _finish(self, item_id: int, execution: Execution) -> None:
        """Each version calls `task_done` in its own way."""
        queue, result, status = (
            self._server.prompt_queue,
            execution.history_result(),
            execution.status(),
        )
        if isinstance(queue, OldPromptQueue):
            queue.task_done(item_id, result, status=status)
        else:
            queue.task_done(item_id, result, status=status, process_item=remove_sensitive)

    def _note_end(self, item: Item, execution: Execution, ending: Ending) -> None:
        run = execution.run
        self._world.note(
            item,
            ending=ending,
            ended_at=time.time(),
            files=tuple(map(str, run.files)),
            main_file=None if run.main_file is None else str(run.main_file),
            frames_written=run.frames_written,
        )
