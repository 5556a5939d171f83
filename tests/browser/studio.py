"""What the pages show: a service, a ComfyUI stand-in, and an application with ids of its own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from reconciler.settings.load import load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store import open_store
from reconciler.web.server import WebServer
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for

#: An application may call its jobs as it likes.
TABLE = """
create table production_jobs (
    id text primary key, comfyui_job_id text, job_type text, frames integer,
    status text not null default 'queued', progress integer, output_path text, error text,
    created_at timestamptz not null default now(), updated_at timestamptz,
    completed_at timestamptz
)
"""
_seeds = itertools.count(1)


@dataclass(frozen=True)
class Studio:
    """Everything that runs, and what a user of it can do."""

    url: str
    rows: Rows
    simulator: Simulator
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def name(self, prefix: str = "job") -> str:
        """An id that no other job has."""
        return f"{prefix}-{next(self.names)}"

    def insert(self, **columns: object) -> str:
        """A row that no prompt is of, and its id."""
        return self.rows.insert(**{"id": self.name(), **columns})

    def submit(
        self, outcome: Outcome = Outcome.SUCCESS, *, seconds: float = 0.1, **columns: object
    ) -> str:
        """A row with a prompt of its own."""
        prefix = str(columns.pop("filename_prefix", "video/film"))
        graph = render_graph(
            outcome, frames=8, seconds=seconds, seed=next(_seeds), filename_prefix=prefix
        )
        return self.insert(comfyui_job_id=self.simulator.submit(graph), **columns)

    def cancel(self, job: str) -> None:
        """As applications do it: the row, and its prompt, whether it waits or runs."""
        prompt = self.rows.row(job)["comfyui_job_id"]
        self.rows.sql("update production_jobs set status = 'cancelled' where id = %s", job)
        for path, body in (("queue", {"delete": [prompt]}), ("interrupt", {"prompt_id": prompt})):
            requests.post(f"{self.simulator.url}/{path}", json=body, timeout=10.0)


@contextmanager
def open_studio(folder: Path, database: str) -> Iterator[Studio]:
    """Started, with an empty table; stopped at the end."""
    rows = Rows(database)
    rows.sql(TABLE)
    with Simulator(folder / "output", speed=1.0) as simulator:
        config = write_config(folder, database, simulator, web={"port": 0})
        with running(config) as service:
            yield Studio(wait_for(lambda: _url_in(service.log), "pages"), rows, simulator)


def _url_in(log: Path) -> str | None:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return next((line["url"] for line in lines if line["event"] == "web interface"), None)


@contextmanager
def pages_alone(folder: Path, database: str) -> Iterator[str]:
    """The pages of a database on which no service runs: their address."""
    config = folder / "alone.yaml"
    data_dir = str(folder / "alone")
    told = {"database": {"url": database}, "data_dir": data_dir, "web": {"port": 0}}
    config.write_text(json.dumps(told), encoding="utf-8")
    server = WebServer(load(config=config, environ={}))
    server.start()
    assert server.wait(20.0), server.failure
    try:
        yield str(server.url)
    finally:
        server.close()


def prepare(database: str) -> Rows:
    """An empty table and our own tables, without a service."""
    rows = Rows(database)
    rows.sql(TABLE)
    open_store(database).close()
    return rows
