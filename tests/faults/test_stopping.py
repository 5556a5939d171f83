"""SIGTERM in each phase: it ends within 5 s with status 0, leaves nothing, and loses nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store import schema
from reconciler.store.embedded import url_if_running
from tests.faults import http_faults
from tests.faults.comfyui_trial import picture
from tests.faults.conftest import Figure
from tests.faults.http_proxy import HttpProxy
from tests.integration.running import Rows, Running, write_config
from tests.integration.servers import eventually, server_processes
from tests.waiting import wait_for


@dataclass
class Scene:
    """A service that is about to be stopped, and what surrounds it."""

    rows: Rows
    gpu: Simulator
    proxy: HttpProxy
    stack: ExitStack
    start: Callable[[], Running]

    def submit(self, outcome: Outcome = Outcome.SUCCESS, **more: Any) -> str:
        """A job of this server."""
        return self.rows.insert(comfyui_job_id=self.gpu.submit(picture(outcome, **more)))

    def watching(self) -> Running:
        """The service, up and running."""
        service = self.start()
        service.wait_until_watching()
        return service

    def lock(self, statement: str) -> None:
        """Somebody else's transaction holds on to something until the service has ended."""
        connection = self.stack.enter_context(closing(psycopg2.connect(self.rows.url)))
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def await_blocked(self) -> None:
        """The service waits for that."""
        waits = (
            "select 1 from pg_stat_activity where wait_event_type = 'Lock'"
            " and datname = current_database()"
        )
        wait_for(lambda: self.rows.sql(waits), "it waits for the lock")


def migrating(scene: Scene) -> Running:
    scene.lock(f"select pg_advisory_xact_lock({schema._MIGRATION_LOCK})")
    service = scene.start()
    scene.await_blocked()
    return service


def first_scan(scene: Scene) -> Running:
    folder = scene.gpu.output_dir / "many"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"{number}.png").touch()
    return scene.watching()


def idle(scene: Scene) -> Running:
    return scene.watching()


def looking(scene: Scene) -> Running:
    """The server takes the question and says nothing, for longer than a stop may take."""
    service = scene.watching()
    scene.submit()
    asked = threading.Event()

    def holds(visit: http_faults.Visit) -> None:
        asked.set()
        http_faults.holds(visit)

    scene.proxy.misbehave(holds)
    assert asked.wait(10.0)
    return service


def inspecting(scene: Scene) -> Running:
    """Of a file that takes for ever: who looks at it is stopped."""
    service = scene.watching()
    job = scene.submit()
    scene.rows.wait(job, "completed")  # a worker is warm
    main = psutil.Process(service.process.pid)
    (worker,) = main.children()
    worker.suspend()
    scene.submit(seed=1)
    stage = "select 1 from reconciler.job_state where stage = 'validating'"
    wait_for(lambda: scene.rows.sql(stage), "the file is being looked at")
    return service


def writing(scene: Scene) -> Running:
    """In the middle of a transaction, between the row and its story."""
    service = scene.watching()
    scene.rows.wait(scene.submit(Outcome.ENDLESS), "processing")
    scene.lock("lock table reconciler.events in access exclusive mode")
    scene.submit(seed=1)
    scene.await_blocked()
    return service


def waiting_for_the_table(scene: Scene) -> Running:
    service = scene.watching()
    scene.lock("lock table production_jobs in access exclusive mode")
    scene.await_blocked()
    return service


def with_a_locked_row(scene: Scene) -> Running:
    service = scene.watching()
    job = scene.submit(Outcome.ENDLESS)
    scene.rows.wait(job, "processing")
    scene.lock(f"select * from production_jobs where id = {job} for update")
    scene.gpu.crash(restart_after_s=0.1)
    lost = "select 1 from reconciler.prompts where missing_looks > 3"
    wait_for(lambda: scene.rows.sql(lost), "there is a verdict, and a row that cannot have it")
    return service


PHASES = (
    migrating,
    first_scan,
    idle,
    looking,
    inspecting,
    writing,
    waiting_for_the_table,
    with_a_locked_row,
)
SHORT = (inspecting,)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "phase" in metafunc.fixturenames:
        phases = PHASES if metafunc.config.getoption("--long") else SHORT
        metafunc.parametrize("phase", phases, ids=[phase.__name__ for phase in phases])


@contextmanager
def scene_of(database: str, folder: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        gpu = stack.enter_context(Simulator(folder / "out"))
        proxy = stack.enter_context(closing(HttpProxy(gpu.url)))
        server = {"name": "gpu", "url": proxy.url, "output_dir": str(gpu.output_dir)}
        comfyui = {"timeout_s": 30.0, "connect_timeout_s": 5.0}
        config = write_config(folder, database, servers=[server], comfyui=comfyui)
        locks = stack.enter_context(ExitStack())

        def start() -> Running:
            service = Running(config, folder / "service.log")
            stack.callback(service.end)
            return service

        yield Scene(Rows(database), gpu, proxy, locks, start)


def stop(service: Running) -> tuple[float, int]:
    """SIGTERM; returns how long it took and the status. Nothing that it started lives on."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    began_s = time.monotonic()
    status = service.end()
    took_s = time.monotonic() - began_s
    _, left = psutil.wait_procs(children, timeout=5.0)
    assert not left, left
    return took_s, status


def test_sigterm(
    database: str, tmp_path: Path, figure: Figure, phase: Callable[[Scene], Running]
) -> None:
    with scene_of(database, tmp_path) as scene:
        took_s, status = stop(phase(scene))
        scene.stack.close()
        scene.proxy.behave()
        began_s = time.monotonic()
        service = scene.watching()
        try:
            requests.post(f"{scene.gpu.url}/interrupt", json={}, timeout=10.0)
            scene.rows.wait(scene.submit(Outcome.ERROR, seed=99), "failed", "execution_error")
            still = "select status from production_jobs where status not in ('completed', 'failed')"
            wait_for(lambda: not scene.rows.sql(still), f"all is right: {scene.rows.sql(still)}")
            right_s = time.monotonic() - began_s
        finally:
            assert service.end() == 0
    figure(
        f"ended after {took_s:.2f} s with {status}; all right {right_s:.1f} s after the next start"
    )
    assert status == 0
    assert took_s < 5.0


@pytest.mark.usefixtures("only_long")
@pytest.mark.parametrize("moment", ["initdb", "postgres"])
def test_sigterm_while_the_embedded_postgres_starts(
    new_data_dir: Path, tmp_path: Path, figure: Figure, moment: str
) -> None:
    with Simulator(tmp_path / "out") as gpu:
        config = write_config(tmp_path, "", gpu, database={}, data_dir=str(new_data_dir))
        service = Running(config, tmp_path / "service.log")
        main = psutil.Process(service.process.pid)
        wait_for(
            lambda: (
                any(moment in " ".join(_command(c)) for c in main.children(recursive=True))
                or (moment == "postgres" and server_processes(new_data_dir))
            ),
            f"{moment} runs: {service.log.read_text()}",
        )
        took_s, status = stop(service)
        eventually(lambda: not server_processes(new_data_dir), "no Postgres is left behind")
        began_s = time.monotonic()
        service = Running(config, tmp_path / "service.log")
        try:
            url = wait_for(lambda: url_if_running(new_data_dir), "the next start has a Postgres")
            rows = Rows(url)
            wait_for(rows.exists, "the table is there")
            rows.wait(rows.insert(comfyui_job_id=gpu.submit(picture())), "completed")
            right_s = time.monotonic() - began_s
        finally:
            assert service.end() == 0
        eventually(lambda: not server_processes(new_data_dir), "it stops with its only user")
    figure(
        f"ended after {took_s:.2f} s with {status}; a job right {right_s:.1f} s after a new start"
    )
    assert status == 0
    assert took_s < 5.0


def _command(process: psutil.Process) -> list[str]:
    try:
        return [str(part) for part in process.cmdline()]
    except psutil.Error:
        return []
