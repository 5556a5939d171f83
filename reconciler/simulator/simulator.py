"""The simulator as a whole: one port, an event loop in a thread of its own, and its lives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
import structlog

from reconciler.errors import ServerAnswer, ServerError
from reconciler.simulator.graph import Graph
from reconciler.simulator.incarnation import Incarnation
from reconciler.simulator.life import Life
from reconciler.simulator.truth import TruthEntry
from reconciler.simulator.versions import find_version
from reconciler.simulator.world import World

log = structlog.get_logger(__name__)

#: How long starting, stopping or one of its own requests may take.
PATIENCE_S = 20.0


class Simulator:
    """A ComfyUI stand-in. Use it as a context manager, or call `start` and `stop`.

    Several may run in one process.
    """

    def __init__(
        self,
        output_dir: Path,
        *,
        version: str = "0.33.0",
        host: str = "127.0.0.1",
        port: int = 0,
        pack: bool = True,
        metadata: bool = True,
        speed: float = 1.0,
    ) -> None:
        """`port` 0 takes a free one. `pack`: the node pack is installed, the very one. `metadata`
        False is ComfyUI's `--disable-metadata`. Every simulated duration is divided by `speed`.
        Raises `SettingsError` for an unknown `version`.
        """
        output_dir = Path(output_dir).absolute()
        self._world = World(output_dir, find_version(version), host, port, speed, pack, metadata)
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread
        #: Beginning, crashing and stopping are one at a time.
        self._changing = asyncio.Lock()
        self._stopped = False
        self._current: Incarnation | None = None
        self._rebirth: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://{self._world.host}:{self._world.port}"

    @property
    def output_dir(self) -> Path:
        """Where its files appear."""
        return self._world.output_dir

    def start(self) -> None:
        """Open the port. Raises `ServerError` if it cannot be had."""
        self._world.output_dir.mkdir(parents=True, exist_ok=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulator")
        self._thread.start()
        try:
            self._call(self._begin())
        except BaseException as error:
            self.stop()
            if not isinstance(error, OSError):
                raise
            where = f"{self._world.host}:{self._world.port}"
            raise ServerError(f"cannot listen on {where} ({error}): choose another port") from error

    def stop(self) -> None:
        """Say goodbye to every client, lose everything and close the port."""
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def truth(self) -> list[TruthEntry]:
        """What really happened: the latest line of each prompt, in the order of submission."""
        return list(self._world.truth.latest().values())

    def wait_until_ended(self, prompt_id: str, timeout_s: float = 30.0) -> TruthEntry:
        """Wait for the end of a prompt, which enters the history a moment later.

        Raises `TimeoutError`.
        """
        return self._world.truth.wait_until_ended(prompt_id, timeout_s)

    def submit(
        self,
        graph: Graph,
        *,
        job_id: str | int | None = None,
        client_id: str | None = None,
        prompt_id: str | None = None,
        number: float | None = None,
    ) -> str:
        """POST /prompt as an application does; returns the prompt id.

        `job_id` goes into `extra_data.job_id` and, where every saver finds it, into
        `extra_data.extra_pnginfo.job_id`. Raises `ServerAnswer` if the prompt is refused.
        """
        body: dict[str, Any] = {"prompt": graph}
        given = {"client_id": client_id, "prompt_id": prompt_id, "number": number}
        body |= {key: value for key, value in given.items() if value is not None}
        if job_id is not None:
            body["extra_data"] = {"job_id": job_id, "extra_pnginfo": {"job_id": str(job_id)}}
        answer = requests.post(f"{self.url}/prompt", json=body, timeout=PATIENCE_S)
        if answer.status_code != 200:
            raise ServerAnswer(f"{self.url} refuses the prompt: {answer.text[:500]}")
        return str(answer.json()["prompt_id"])

    def crash(self, restart_after_s: float) -> None:
        """Die at once: queue and history are lost, connections are refused until the restart."""
        self._call(self._crash(restart_after_s))

    def kill_worker(self) -> None:
        """Make it a zombie: HTTP goes on, what runs is shown as running for ever."""
        self._life().signals.kill_worker()

    def freeze_sockets(self) -> None:
        """Every websocket that is open now never speaks again."""
        self._life().server.hub.freeze()

    def steal_socket(self, client_id: str) -> None:
        """Take a client's socket away, as another connection with its id does."""
        self._life().server.hub.steal(client_id)

    def delay_answers(self, seconds: float) -> None:
        """Make every HTTP answer late, until it is called again with 0."""
        self._world.delay_answers(seconds)

    def _life(self) -> Life:
        if self._current is None:
            raise ServerError(f"the simulator at {self.url} is down: wait for its restart")
        return self._current.life

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _begin(self) -> None:
        async with self._changing:
            current = Incarnation(Life(self._world, self._loop, self._crash_soon))
            self._world.port = await current.open(self._world.host, self._world.port)
            self._current = current

    async def _finish(self, *, cut: bool) -> None:
        if self._rebirth is not None:
            self._rebirth.cancel()
        current, self._current = self._current, None
        if current is not None:
            await current.close(cut=cut)

    def _crash_soon(self, restart_after_s: float) -> None:
        """From the worker, which must not wait for its own end."""
        asyncio.run_coroutine_threadsafe(self._crash(restart_after_s), self._loop)

    async def _crash(self, restart_after_s: float) -> None:
        async with self._changing:
            if not self._stopped:
                await self._finish(cut=True)
                self._rebirth = self._loop.create_task(self._begin_later(restart_after_s))

    async def _begin_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            await self._begin()
        except OSError as error:
            log.error("simulator_restart_failed", url=self.url, error=str(error))

    async def _shut_down(self) -> None:
        async with self._changing:
            self._stopped = True
            await self._finish(cut=False)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
