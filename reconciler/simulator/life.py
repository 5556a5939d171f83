"""One life of the simulated process: its queue, history, cache, sockets and worker thread.

All of it is memory, so a crash loses it; the next life starts empty, as ComfyUI does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.simulator.executor import Executor
from reconciler.simulator.pack import install_pack
from reconciler.simulator.queue import Item
from reconciler.simulator.run import Stage
from reconciler.simulator.server import PromptServer
from reconciler.simulator.signals import Signals
from reconciler.simulator.truth import Ending
from reconciler.simulator.worker import Worker
from reconciler.simulator.world import World


class Life:
    """One life, from its start to its end or crash."""

    def __init__(
        self, world: World, loop: asyncio.AbstractEventLoop, crash: Callable[[float], None]
    ) -> None:
        """`crash(restart_after_s)` must end this life and begin the next; from any thread."""
        self.world = world
        self.server = PromptServer(loop, world.version)
        self.signals = Signals()
        #: Set in the event loop when the life ends.
        self.over = asyncio.Event()
        self._temp = tempfile.TemporaryDirectory(prefix="simulator-")
        self._memory: dict[str, Any] = {}
        stage = Stage(
            output_dir=world.output_dir,
            temp_dir=Path(self._temp.name),
            speed=world.speed,
            version=world.version,
            metadata=world.metadata,
            signals=self.signals,
            server=self.server,
            memory=self._memory,
            crash=crash,
            delay_answers=world.delay_answers,
        )
        self._worker = Worker(world, self.server, self.signals, Executor(stage))
        self._pack = install_pack(self.server, world.output_dir) if world.pack else None

    def start(self) -> None:
        """Let the worker begin."""
        self._worker.start()

    def fall_silent(self) -> None:
        """Nothing more is told from here on, to be called from the loop."""
        self.over.set()
        self.signals.end()
        self.server.hub.cut()

    def end(self) -> None:
        """Lose everything. Waits for the worker; not to be called from it or from the loop."""
        self.signals.end()
        if self._pack is not None:
            self._pack.close()  # what it has not yet written stays unwritten
        self._worker.join()
        for kept in self._memory.values():
            kept.close()
        # Past the queue's own methods, which are the pack's by now: a process that dies removes
        # nothing from its queue.
        for item in self.server.prompt_queue.queue:
            self.world.note(item, ending=Ending.LOST, ended_at=time.time())
        self._temp.cleanup()

    def accept(self, item: Item) -> None:
        """Queue a prompt."""
        self.world.note_new(item)
        self.server.prompt_queue.put(item)

    def remove(self, prompt_id: str) -> bool:
        """Delete a pending prompt; False if none has that id."""
        picked: list[Item] = []

        def pick(item: Item) -> bool:
            if item[1] != prompt_id:
                return False
            picked.append(item)
            return True

        removed = self.server.prompt_queue.delete_queue_item(pick)
        if removed:
            self._note_removed(picked[-1:])
        return removed

    def remove_all(self) -> None:
        """Delete every pending prompt."""
        queue = self.server.prompt_queue
        with queue.mutex:
            items = list(queue.queue)
            queue.wipe_queue()
        self._note_removed(items)

    def interrupt(self, prompt_id: str | None) -> bool:
        """Interrupt what runs, or only if it is this prompt; False if it is another."""
        queue = self.server.prompt_queue
        with queue.mutex:  # so that it cannot hit the next one
            running = [item[1] for item in queue.currently_running.values()]
            if prompt_id and prompt_id not in running:
                return False
            self.signals.interrupt()
            return True

    def greet(self, client_id: str) -> list[dict[str, Any]]:
        """What a client is told when it connects."""
        status = {"status": self.server.get_queue_info(), "sid": client_id}
        greeting: list[dict[str, Any]] = [{"type": "status", "data": status}]
        node_id = self.server.last_node_id
        if client_id == self.server.client_id and node_id is not None:
            greeting.append({"type": "executing", "data": {"node": node_id}})
        return greeting

    def _note_removed(self, items: list[Item]) -> None:
        for item in items:
            self.world.note(item, ending=Ending.REMOVED, ended_at=time.time())
