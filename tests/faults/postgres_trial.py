"""Jobs that live through a fault of their Postgres, and what their rows said of it.

One service runs through all of a module's faults: what one of them breaks, the next one finds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store import server_programs
from tests.faults.proxy import PostgresProxy, postgres_proxy, proxied_url
from tests.integration.conftest import execute
from tests.integration.running import Rows, Running, running, write_config
from tests.postgres import Postgres
from tests.waiting import wait_for

#: Statements may take a second; who waits longer than that and a half does not wait any more.
HASTY: dict[str, Any] = {
    "reconcile": {"interval_s": 0.3},
    "outputs": {"unsound_confirm_s": 0.3, "missing_output_grace_s": 1.0, "settle_s": 0.1},
    "lost": {"confirmations": 2, "grace_s": 0.5, "restart_grace_s": 0.3},
}
LIMITS = {"statement_timeout_s": 1.0, "connect_timeout_s": 1.0}
#: Few, so that they can be used up.
CONNECTIONS = "max_connections = 20\nsuperuser_reserved_connections = 3\nmax_wal_senders = 0"

#: The tests' own questions end, too.
_BOUNDED = "?connect_timeout=2&options=-cstatement_timeout%3D1000"
_CHANGES = """
    select from_status, to_status from reconciler.events
    where job_id = %s and to_status is distinct from from_status and to_status is not null
    order by id
"""


@dataclass(frozen=True)
class Job:
    """A row, its prompt, and what it has to say in the end."""

    id: str
    prompt_id: str
    ending: str


@dataclass
class World:
    """A Postgres of the tests' own, a proxy before it, and a service that runs through both."""

    server: Postgres
    proxy: PostgresProxy
    gpu: Simulator
    rows: Rows
    service: Running
    config: Path

    def job(
        self, outcome: Outcome = Outcome.SUCCESS, seconds: float = 0.1, **columns: object
    ) -> Job:
        """A prompt and its row, as an application makes them."""
        seed = len(self.gpu.truth())
        graph = render_graph(outcome, frames=4, width=32, height=32, seconds=seconds, seed=seed)
        prompt_id = self.gpu.submit(graph)
        ending = "completed" if outcome is Outcome.SUCCESS else "failed"
        return Job(self.rows.insert(comfyui_job_id=prompt_id, **columns), prompt_id, ending)

    def begun(self, job: Job) -> None:
        """Waits until the row tells that the prompt runs, or, on a busy machine, that it did."""
        wait_for(lambda: self.say(job) in ("processing", job.ending), "it runs")

    def say(self, *jobs: Job) -> str:
        """What the rows say, which cannot always be read."""
        try:
            statuses = [self.rows.row(job.id)["status"] for job in jobs]
        except psycopg2.Error:
            return "not readable"
        return ", ".join(statuses)

    def judge(self, job: Job) -> None:
        """The row is right in the end, and its story tells each change once, in a row."""
        self.rows.wait(job.id, job.ending)
        changes = [(c["from_status"], c["to_status"]) for c in self.rows.sql(_CHANGES, job.id)]
        assert changes[-1][1] == job.ending
        assert [before for before, _ in changes[1:]] == [after for _, after in changes[:-1]], (
            changes
        )
        assert len({after for _, after in changes}) == len(changes), changes


def survive(world: World, fault: AbstractContextManager[object], seconds: float) -> str:
    """Jobs end and go on while the fault lasts; in the end all is right. The figure, in words.

    `fault` begins once one of the jobs is known to run, and ends after so many seconds.
    """
    ends, breaks = world.job(seconds=seconds * 0.7), world.job(Outcome.ERROR)
    lasts, outlasts = world.job(seconds=seconds * 0.3), world.job()
    world.begun(ends)
    with fault:
        world.gpu.wait_until_ended(lasts.prompt_id, seconds + 30.0)
        said = world.say(ends, breaks)
    over_s = time.monotonic()
    for job in (ends, breaks):
        world.rows.wait(job.id, job.ending)
    right_s = time.monotonic() - over_s
    for job in (ends, breaks, lasts, outlasts):
        world.judge(job)
    return f"rows of what ended meanwhile: {said}; right {right_s:.1f} s after it"


@pytest.fixture(scope="session")
def stage(servers_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world that all of the faults share."""
    with world(servers_dir / "faults", tmp_path_factory.mktemp("faults"), LIMITS) as started:
        yield started


@contextmanager
def world(home: Path, tmp_path: Path, limits: Mapping[str, float], **more: Any) -> Iterator[World]:
    """Everything, started; stopped at the end. `limits` and `more`: settings of the service."""
    server = Postgres(server_programs.installation(), home, more=CONNECTIONS)
    server.create()
    server.start()
    try:
        execute(server.url, "create role app login password 'app'")
        execute(server.url, "create database jobs owner app")
        url = f"postgresql://app:app@127.0.0.1:{server.port}/jobs"
        with postgres_proxy(url) as proxy, Simulator(tmp_path / "gpu") as gpu:
            through = {"url": proxied_url(url, proxy.port), **limits}
            config = write_config(tmp_path, through["url"], gpu, database=through, **HASTY, **more)
            with running(config) as service:
                rows = Rows(url + _BOUNDED)
                wait_for(rows.exists, "the table is made")
                yield World(server, proxy, gpu, rows, service, config)
    finally:
        server.stop("immediate")
