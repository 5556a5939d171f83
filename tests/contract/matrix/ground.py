"""A ComfyUI that can be started, killed and started again over the same output directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Protocol

import requests

from reconciler.simulator import Simulator
from tests.waiting import wait_for

#: A crashed simulator comes back when the ground is started again, not by itself.
NEVER_S = 3600.0
#: A server that lives answers within it, even while a node computes.
ANSWER_S = 30.0


class Ground(Protocol):
    """One ComfyUI. It may be dead; its output directory outlives it."""

    #: As the table of results calls it.
    name: str
    pack: bool
    simulated: bool
    output_dir: Path
    #: How much slower than the simulator it may be: what is waited for takes so much longer.
    patience: float

    @property
    def url(self) -> str: ...

    def start(self) -> None:
        """Start it, or start it anew; returns when it answers."""

    def kill(self) -> None:
        """SIGKILL: queue and history are gone, no connection is closed politely."""

    def stop(self) -> None:
        """End it for good."""


class SimulatedGround:
    """The simulator, in this process."""

    simulated = True
    patience = 1.0

    def __init__(self, folder: Path, version: str, *, pack: bool, metadata: bool = True) -> None:
        self.name = f"simulator {version}"
        self.pack = pack
        self.output_dir = folder / "output"
        self._version = version
        self._metadata = metadata
        self._simulator: Simulator | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.stop()
        simulator = Simulator(
            self.output_dir,
            version=self._version,
            pack=self.pack,
            port=self._port,
            metadata=self._metadata,
        )
        simulator.start()
        self._simulator = simulator
        self._port = int(simulator.url.rpartition(":")[2])

    def kill(self) -> None:
        assert self._simulator is not None
        self._simulator.crash(NEVER_S)

    def stop(self) -> None:
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None


def answers(ground: Ground) -> bool:
    """True where its HTTP side lives; the worker may be dead nevertheless."""
    with suppress(requests.RequestException):
        return requests.get(f"{ground.url}/system_stats", timeout=ANSWER_S).status_code == 200
    return False


def wait_until_dead(ground: Ground) -> None:
    """Wait for the end of a process that kills itself."""
    wait_for(lambda: not answers(ground), f"{ground.name} kills itself", 60.0)
