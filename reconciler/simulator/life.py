"""One life of the simulated process: its queue, history, cache, sockets and worker thread.

All of it is memory, so a crash loses it; the next life starts empty, as ComfyUI does.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from reconciler.simulator.execution import Execution
from reconciler.simulator.executor import Executor
from reconciler.simulator.graph import Graph
from reconciler.simulator.node_types import SCRIPTED
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.queue import Item, PromptQueue
from reconciler.simulator.run import Stage
from reconciler.simulator.signals import LifeOver, Signals, WorkerKilled
from reconciler.simulator.socket import Hub
from reconciler.simulator.truth import Ending, Truth, TruthEntry
from reconciler.simulator.versions import Version

log = structlog.get_logger(__name__)

#: ComfyUI's name for it: from inside the process its absence is the sign of a zombie.
WORKER_NAME = "prompt_worker"


@dataclass(slots=True)
class World:
    """What outlives a crash."""

    output_dir: Path
    version: Version
    host: str
    port: int
    speed: float
    #: Pass each POST /prompt through the node pack.
    pack: bool
    truth: Truth = field(default_factory=Truth)
    #: Every HTTP answer is late by this much.
    answer_delay_s: float = 0.0

    def delay_answers(self, seconds: float) -> None:
        """Make every HTTP answer late by so many seconds from now on."""
        self.answer_delay_s = seconds


class Life:
    """One life, from its start to its end or crash."""

    def __init__(
        self, world: World, loop: asyncio.AbstractEventLoop, crash: Callable[[float], None]
    ) -> None:
        """`crash(restart_after_s)` must end this life and begin the next; from any thread."""
        self.world = world
        self.hub = Hub(loop)
        self.queue = PromptQueue(self._tell_remaining)
        self.signals = Signals()
        #: Set in the event loop when the life ends.
        self.over = asyncio.Event()
        self._temp = tempfile.TemporaryDirectory(prefix="simulator-")
        stage = Stage(
            output_dir=world.output_dir,
            temp_dir=Path(self._temp.name),
            speed=world.speed,
            faststart=world.version.faststart,
            counts_every_number=world.version.counts_every_number,
            signals=self.signals,
            hub=self.hub,
            crash=crash,
            delay_answers=world.delay_answers,
        )
        self._executor = Executor(stage, world.version)
        self._worker = threading.Thread(target=self._work, name=WORKER_NAME, daemon=True)
        self._number = 0

    def start(self) -> None:
        """Let the worker begin."""
        self._worker.start()

    def end(self) -> None:
        """Lose everything. Waits for the worker; not to be called from it or from the loop."""
        self.signals.end()
        if self._worker.ident is not None:
            self._worker.join()
        for item in self.queue.clear():
            self._write(item[1], ending=Ending.LOST, ended_at=time.time())
        self._temp.cleanup()

    def next_number(self, front: bool) -> int:
        """The place of a prompt that names none: behind all others, or before them."""
        number = self._number
        self._number += 1
        return -number if front else number

    def accept(self, item: Item) -> None:
        """Queue a prompt."""
        entry = TruthEntry(item[1], scripted_outcome(item[2]))
        self.world.truth.write(entry)
        self.queue.put(item)

    def remove(self, prompt_id: str) -> bool:
        """Delete a pending prompt; False if none has that id."""
        removed = self.queue.delete(prompt_id)
        if removed:
            self._write(prompt_id, ending=Ending.REMOVED, ended_at=time.time())
        return removed

    def remove_all(self) -> None:
        """Delete every pending prompt."""
        for item in self.queue.clear():
            self._write(item[1], ending=Ending.REMOVED, ended_at=time.time())

    def interrupt(self, prompt_id: str | None) -> bool:
        """Interrupt what runs, or only if it is this prompt; False if it is another."""
        if prompt_id and not self.queue.is_running(prompt_id):
            return False
        self.signals.interrupt()
        return True

    def greet(self, client_id: str) -> list[dict[str, Any]]:
        """What a client is told when it connects."""
        status = {"status": self.queue_info(), "sid": client_id}
        greeting: list[dict[str, Any]] = [{"type": "status", "data": status}]
        node_id = self._executor.last_node_id
        if client_id == self._executor.client_id and node_id is not None:
            greeting.append({"type": "executing", "data": {"node": node_id}})
        return greeting

    def queue_info(self) -> dict[str, Any]:
        """As GET /prompt and the `status` event have it."""
        return {"exec_info": {"queue_remaining": self.queue.remaining}}

    def _tell_remaining(self, remaining: int) -> None:
        self.hub.send("status", {"status": {"exec_info": {"queue_remaining": remaining}}})

    def _work(self) -> None:
        try:
            while True:
                self.signals.check_worker()
                item = self.queue.take()
                if item is not None:
                    self._perform(item)
        except (LifeOver, WorkerKilled):
            return
        except Exception:
            log.exception("simulator_worker_died")

    def _perform(self, item: Item) -> None:
        self._write(item[1], started_at=time.time())
        execution = self._prepare(item)
        try:
            self._executor.execute(execution, item[4])
        except LifeOver:
            self._write_end(execution, Ending.LOST)
            raise
        except WorkerKilled:
            self._write_end(execution, Ending.WORKER_DEAD)
            raise
        self._write_end(execution, execution.ending)
        self.queue.finish(item[1], execution.history_result(), execution.status())
        self._executor.tell_end(execution)

    def _prepare(self, item: Item) -> Execution:
        """0.3.64 accepts `extra_data: null`, and its worker dies of it."""
        try:
            return self._executor.prepare(item)
        except Exception:
            self._write(item[1], ending=Ending.WORKER_DEAD, ended_at=time.time())
            raise

    def _write_end(self, execution: Execution, ending: Ending) -> None:
        run = execution.run
        self._write(
            run.prompt_id,
            ending=ending,
            ended_at=time.time(),
            files=tuple(map(str, run.files)),
            main_file=None if run.main_file is None else str(run.main_file),
            frames_written=run.frames_written,
        )

    def _write(self, prompt_id: str, **changes: Any) -> None:
        """A further line about a prompt: what was known of it, and the changes."""
        known = self.world.truth.of(prompt_id)
        assert known is not None, "accept() writes the first line"
        self.world.truth.write(replace(known, **changes))


def scripted_outcome(graph: Graph) -> Outcome | None:
    """What the graph tells to happen, if it has a node for that."""
    for node in graph.values():
        if node["class_type"] == SCRIPTED:
            return Outcome(node["inputs"]["outcome"])
    return None
