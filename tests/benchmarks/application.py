"""An application that keeps a number of jobs open: prompts in ComfyUI, rows in Postgres."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import psycopg2.extensions
import requests

from reconciler.simulator import Simulator, TruthEntry, render_graph
from tests.benchmarks.watcher import Watcher

#: A second of video in miniature: what is measured is not the decoder.
FRAMES, SIZE_PX = 24, 64
#: With it a queued prompt weighs what one of ordinary size does: 6.4 MB for 300.
_WORKFLOW_NODES = 47
_HTTP_TIMEOUT_S = 20.0
_FOR_EVER_S = 100_000.0


@dataclass
class Application:
    """Submits prompts as applications do: POST /prompt, then a row with the prompt's id."""

    simulator: Simulator
    connection: psycopg2.extensions.connection
    watcher: Watcher
    #: How long the next prompt samples, in seconds; asked anew for each.
    seconds: Callable[[], float]
    #: Prompts whose rows are not final yet, oldest first.
    open: list[str] = field(default_factory=list)
    #: Prompts whose rows are final, in that order.
    closed: list[str] = field(default_factory=list)
    _submitted: int = 0

    def fill(self, number: int) -> None:
        """Submits until so many jobs are open."""
        while len(self.open) < number:
            self.submit(self.seconds())

    def keep_open(self, number: int, until_ended: int) -> None:
        """Replaces each job whose row is final, until so many prompts have ended."""
        while len(self.ended()) < until_ended:
            self.take_closed(0.1)
            self.fill(number)

    def close_late(self, timeout_s: float) -> None:
        """Waits until the row of every prompt that ended is final, or the time is over."""
        deadline = time.monotonic() + timeout_s
        while self.ended().keys() & set(self.open) and time.monotonic() < deadline:
            self.take_closed(0.2)

    def ended(self) -> dict[str, TruthEntry]:
        """What really happened to the prompts that have ended, in order of submission."""
        told = self.simulator.truth()
        return {entry.prompt_id: entry for entry in told if entry.ended_at is not None}

    def take_closed(self, timeout_s: float) -> bool:
        """Waits until some row is final; False if none is in time."""
        final = self.watcher.wait(set(self.open), timeout_s)
        self.closed += [prompt_id for prompt_id in self.open if prompt_id in final]
        self.open = [prompt_id for prompt_id in self.open if prompt_id not in final]
        return bool(final)

    def block(self) -> str:
        """A prompt that goes before all that wait and runs for ever: from now on none ends."""
        return self.submit(_FOR_EVER_S, number=-1e6)

    def submit(self, seconds: float, number: float | None = None) -> str:
        """One prompt and its row."""
        self._submitted += 1
        graph = render_graph(
            frames=FRAMES, width=SIZE_PX, height=SIZE_PX, seconds=seconds, seed=self._submitted
        )
        body: dict[str, Any] = {
            "prompt": graph,
            "client_id": "studio",
            "extra_data": {"extra_pnginfo": {"workflow": _workflow(self._submitted)}},
        }
        if number is not None:
            body["number"] = number
        url = f"{self.simulator.url}/prompt"
        answer = requests.post(url, json=body, timeout=_HTTP_TIMEOUT_S)
        answer.raise_for_status()
        prompt_id = str(answer.json()["prompt_id"])
        with self.connection.cursor() as cursor:
            cursor.execute(
                "insert into production_jobs (comfyui_job_id, job_type, frames)"
                " values (%s, 'video', %s)",
                (prompt_id, FRAMES),
            )
        self.open.append(prompt_id)
        return prompt_id

    def rows(self) -> dict[str, tuple[str, str | None]]:
        """Status and output path of each row, by prompt."""
        with self.connection.cursor() as cursor:
            cursor.execute("select comfyui_job_id, status, output_path from production_jobs")
            return {prompt_id: (status, path) for prompt_id, status, path in cursor.fetchall()}

    def wait_until_running(self, prompt_id: str, timeout_s: float = 60.0) -> None:
        """Waits until ComfyUI has begun with a prompt."""
        deadline = time.monotonic() + timeout_s
        while True:
            told = {entry.prompt_id: entry for entry in self.simulator.truth()}
            if told[prompt_id].started_at is not None:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"prompt {prompt_id} does not start")
            time.sleep(0.05)


def _workflow(number: int) -> dict[str, Any]:
    """A saved workflow as the editor attaches it: most of a prompt's weight."""
    node = {
        "type": "KSampler",
        "pos": [1024.5, 512.25],
        "size": [315, 262],
        "flags": {},
        "mode": 0,
        "inputs": [{"name": name, "type": "MODEL", "link": 1} for name in ("model", "latent")],
        "outputs": [{"name": "LATENT", "type": "LATENT", "links": [7], "slot_index": 0}],
        "properties": {"Node name for S&R": "KSampler"},
        "widgets_values": [156680208700286, "randomize", 20, 8, "euler", "normal", 1],
    }
    nodes = [{"id": index, "order": index, **node} for index in range(_WORKFLOW_NODES)]
    return {"id": str(uuid.UUID(int=number)), "nodes": nodes, "links": [], "version": 0.4}


def connect(database_url: str) -> closing[psycopg2.extensions.connection]:
    """An application's own connection."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    return closing(connection)
