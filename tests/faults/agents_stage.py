"""Agents as real processes on one database, and what the leases and the story say of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, Running, running, write_config
from tests.waiting import wait_for

#: Short, and long enough for a machine that is busy with other tests.
TAKEOVER_S = 4.0

_HOLDER = """
select a.name, l.epoch from reconciler.leases l
join reconciler.agents a on a.id = l.agent
where l.server = %s and l.expires_at > clock_timestamp()
"""
#: What an agent told of a job after another one had taken the server.
_STALE = """
select e.id, e.job_id, e.reason from reconciler.events e
join reconciler.agents a on a.id = e.agent
join reconciler.leases l on l.server = %s and l.agent <> e.agent
where a.name = %s and e.at > l.acquired_at
"""


class Agents:
    """A stage for agents over these servers, all of which are in the settings of each."""

    def __init__(self, url: str, folder: Path, *simulators: Simulator, **settings: Any) -> None:
        self.rows = Rows(url)
        self._folder = folder
        self._simulators = simulators
        self._settings = settings
        self._seeds = count(1)

    def config(self, name: str, url: str | None = None) -> Path:
        """The settings of an agent; `url` is its own way to the database."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        agent = {"name": name, "takeover_s": TAKEOVER_S}
        more = {"agent": agent, **self._settings}
        return write_config(folder, url or self.rows.url, *self._simulators, **more)

    @contextmanager
    def agent(self, name: str, url: str | None = None) -> Iterator[Running]:
        """An agent that runs; a frozen one is woken to be stopped."""
        with running(self.config(name, url)) as process:
            try:
                yield process
            finally:
                if process.process.poll() is None:
                    process.process.send_signal(signal.SIGCONT)

    def holder(self, server: str = "gpu1") -> tuple[str, int] | None:
        """Who holds a server, and in which epoch; None where nobody does."""
        found = self.rows.sql(_HOLDER, server)
        return (found[0]["name"], found[0]["epoch"]) if found else None

    def wait_for_holder(self, name: str, server: str = "gpu1") -> int:
        """Waits until this agent holds the server; returns the epoch."""
        wait_for(lambda: (self.holder(server) or ("",))[0] == name, f"{name} holds {server}")
        held = self.holder(server)
        assert held is not None
        return held[1]

    def stale(self, name: str, server: str = "gpu1") -> list[dict[str, Any]]:
        """What this agent told after it had lost the server."""
        return self.rows.sql(_STALE, server, name)

    def submit(self, simulator: Simulator, outcome: Outcome = Outcome.SUCCESS, **graph: Any) -> str:
        """As an application does: POST /prompt, then a row with the prompt's id."""
        seed = next(self._seeds)  # nothing is answered from the cache
        settings = {"frames": 6, "width": 64, "height": 64, "seed": seed, **graph}
        prompt_id = simulator.submit(render_graph(outcome, **settings))
        return self.rows.insert(comfyui_job_id=prompt_id)


def freeze(process: Running) -> None:
    """SIGSTOP."""
    process.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: _state(process.process.pid) == "T", "it is frozen")


def thaw(process: Running) -> None:
    """SIGCONT."""
    process.process.send_signal(signal.SIGCONT)


def _state(pid: int) -> str:
    """The letter of its state in /proc."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[0]


def terminate(process: Running) -> None:
    """SIGTERM, without waiting."""
    os.kill(process.process.pid, signal.SIGTERM)
