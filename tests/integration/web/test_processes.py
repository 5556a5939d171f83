"""`reconciler run` and `reconciler web` as processes: what fails in them, and how they end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.commands import environment, reconciler
from tests.integration.conftest import execute
from tests.integration.running import Rows, Running, running, write_config
from tests.integration.servers import server_processes
from tests.integration.web.serving import csrf_of, prepared, token_of
from tests.waiting import wait_for

#: A service stops within this, streams and all, in seconds: what systemd is told, and some.
STOP_S = 6.0


def url_in(log: Path) -> str | None:
    """The address that the log tells."""
    found = re.search(r'"url": "(http:[^"]+)", "event": "web interface"', log.read_text())
    return found[1] if found else None


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "gpu") as gpu:
        yield gpu


@contextmanager
def web_alone(
    folder: Path, *arguments: str, log: str = "web.log"
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`reconciler web`, and where it logs."""
    path = folder / log
    with path.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "web", *arguments],
            env=environment(),
            stdout=file,
            stderr=file,
        )
        try:
            yield process, path
        finally:
            process.kill()
            process.wait()


def test_a_service_is_looked_at_and_stops_with_its_streams_open(
    database: str, tmp_path: Path, gpu: Simulator
) -> None:
    config = write_config(tmp_path, database, gpu, web={"port": 0})
    with running(config) as service:
        address = wait_for(lambda: url_in(service.log), "it tells where it is")
        assert "[+] passes: the last sign" in httpx.get(f"{address}/readyz?verbose").text
        with httpx.stream("GET", f"{address}/api/v1/stream", timeout=30.0) as stream:
            parts = stream.iter_bytes()
            next(parts)
            began_s = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            for _ in parts:
                pass
        assert service.process.wait(20.0) == 0
        assert time.monotonic() - began_s < STOP_S
        assert "Traceback" not in service.log.read_text()


def test_the_embedded_database_stops_with_it(
    data_dir: Path, tmp_path: Path, gpu: Simulator
) -> None:
    """Nothing that the web interface had open keeps it running."""
    config = write_config(tmp_path, "", gpu, database={}, data_dir=str(data_dir), web={"port": 0})
    with running(config) as service:
        address = wait_for(lambda: url_in(service.log), "it tells where it is")
        wait_for(lambda: httpx.get(f"{address}/readyz").status_code == 200, "it is ready")
        with httpx.stream("GET", f"{address}/api/v1/stream", timeout=30.0) as stream:
            next(stream.iter_bytes())
            assert service.end() == 0
    assert not server_processes(data_dir)


BREAKS = {
    "import": 'raise ImportError("broken on purpose")',
    "loop": """
from reconciler.web import protocol
async def broken(self, sockets=None):
    raise RuntimeError("broken on purpose")
protocol.EndingServer.main_loop = broken
""",
}


@pytest.mark.parametrize("how", BREAKS)
def test_whatever_breaks_in_it_the_passes_go_on(
    database: str, tmp_path: Path, gpu: Simulator, how: str
) -> None:
    """The service, started with a fault in the web interface."""
    config = write_config(tmp_path, database, gpu, web={"port": 0})
    (tmp_path / "fault.py").write_text(FAULTY.format(fault=BREAKS[how]), encoding="utf-8")
    service = Broken(config, tmp_path / "service.log", tmp_path / "fault.py")
    try:
        service.wait_until_watching()
        rows = Rows(database)
        job = rows.insert(comfyui_job_id=gpu.submit(render_graph(width=64, height=64)))
        rows.wait(job, "completed")
        wait_for(lambda: "no web interface; trying again" in service.log.read_text(), "it is told")
        assert "broken on purpose" in service.log.read_text()
    finally:
        assert service.end() == 0


#: `reconciler`, with a fault put in before the web interface is imported in its thread.
FAULTY = '''
import sys
from importlib.abc import MetaPathFinder
from reconciler.cli import main

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "reconciler.web.app":
            sys.meta_path.remove(self)
            try:
                exec(FAULT, {{}})
            except ImportError:
                sys.meta_path.insert(0, self)
                raise
        return None

FAULT = """{fault}"""
sys.meta_path.insert(0, Finder())
main()
'''


class Broken(Running):
    """A running service of another script."""

    def __init__(self, config: Path, log: Path, script: Path) -> None:
        self.log = log
        self._file = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, str(script), "run", "--config", str(config)],
            stdout=self._file,
            stderr=self._file,
            env=environment(PYTHONPATH=str(Path(__file__).parents[3])),
        )


def test_without_a_token_the_service_runs_and_its_web_interface_does_not(
    database: str, tmp_path: Path, gpu: Simulator
) -> None:
    config = write_config(tmp_path, database, gpu, web={"host": "0.0.0.0", "port": 0})
    with running(config) as service:
        wait_for(lambda: "reconciler token create" in service.log.read_text(), "it says why")
        assert url_in(service.log) is None and service.process.poll() is None
        token = token_of(database, "reader")
        address = wait_for(lambda: url_in(service.log), "it starts when there is one")
        assert httpx.get(f"{address}/api/v1/jobs").status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{address}/api/v1/jobs", headers=bearer).status_code == 200


def test_alone_it_finds_the_embedded_database_by_its_file(
    data_dir: Path, tmp_path: Path, gpu: Simulator
) -> None:
    with web_alone(tmp_path, "--port", "0", "--data-dir", str(data_dir)) as (process, log):
        address = wait_for(lambda: url_in(log), "it serves")
        away = httpx.get(f"{address}/api/v1/jobs")
        assert away.status_code == 503 and "no embedded Postgres runs" in away.json()["detail"]
        reconciler("db", "url", "--start", "--data-dir", data_dir)
        once = reconciler(
            "once", "--server", gpu.url, "--output-dir", gpu.output_dir, "--data-dir", data_dir
        )
        assert once.returncode == 0, once.stderr
        wait_for(lambda: httpx.get(f"{address}/api/v1/jobs").status_code == 200, "it is there now")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) == 0


def test_alone_two_signals_end_it_at_once(database: str, tmp_path: Path) -> None:
    with web_alone(tmp_path, "--port", "0", "--database", database) as (process, log):
        wait_for(lambda: url_in(log), "it serves")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_alone_a_port_that_is_taken_is_no_obstacle(database: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with web_alone(tmp_path, "--port", str(port), "--database", database) as (_, log):
            address = wait_for(lambda: url_in(log), "it serves")
            told = [json.loads(line) for line in log.read_text().splitlines()]
            taken = next(line for line in told if line["event"].startswith("port taken"))
            assert (taken["wanted"], address) == (port, f"http://127.0.0.1:{taken['port']}")


def test_alone_it_ends_where_a_token_is_needed_and_there_is_none(database: str) -> None:
    prepared(database)
    done = reconciler("web", "--host", "0.0.0.0", "--port", "0", "--database", database)
    assert done.returncode == 3 and "reconciler token create" in done.stderr


@pytest.fixture
def only_reading(database: str) -> Iterator[str]:
    """The URL of a role that may read our tables and the jobs, and nothing else."""
    role = database.rsplit("/", 1)[1].replace("test", "viewer")
    prepared(database)
    execute(database, f"create role {role} login password 'only-reading'")
    execute(database, f"grant usage on schema reconciler to {role}")
    execute(database, f"grant select on all tables in schema reconciler to {role}")
    execute(database, f"grant select on production_jobs to {role}")
    yield re.sub(r"//[^@]+@", f"//{role}:only-reading@", database)
    execute(database, f"drop owned by {role}")
    execute(database, f"drop role {role}")


def test_alone_with_a_role_that_only_reads(
    database: str, only_reading: str, tmp_path: Path
) -> None:
    job = Rows(database).insert(status="queued")
    token = {"Authorization": f"Bearer {token_of(database, 'operator')}"}
    with web_alone(tmp_path, "--port", "0", "--database", only_reading) as (_, log):
        address = wait_for(lambda: url_in(log), "it serves")
        with httpx.Client(base_url=address, headers=token, timeout=30.0) as client:
            for path in ("/", "/jobs", f"/jobs/{job}", "/api/v1/jobs", f"/api/v1/jobs/{job}"):
                assert client.get(path).status_code == 200, path
            refused = client.post(f"/api/v1/jobs/{job}/cancel")
            assert refused.status_code == 403, refused.text
            assert "may only read" in refused.json()["detail"]
            assert "only-reading" not in refused.text
        with httpx.Client(base_url=address) as browser:
            page = browser.post(
                f"/api/v1/jobs/{job}/cancel", headers={"X-CSRF-Token": csrf_of(browser)}
            )
            assert page.status_code == 403
    used = Rows(database).sql("select last_used_at from reconciler.tokens")
    assert used == [{"last_used_at": None}]
    assert "Traceback" not in log.read_text()


def test_no_setting_of_uvicorn_writes_requests(database: str, tmp_path: Path) -> None:
    with web_alone(
        tmp_path, "--port", "0", "--database", prepared(database), "--log-level", "debug"
    ) as (_, log):
        address = wait_for(lambda: url_in(log), "it serves")
        secret: dict[str, Any] = {"Authorization": "Bearer rec_secret", "Cookie": "a=rec_cookie"}
        httpx.get(f"{address}/api/v1/jobs?text=rec_query", headers=secret)
        httpx.get(f"{address}/api/v1/jobs?text=rec_query")
        assert "wrong token" in log.read_text()
        assert not re.search("rec_(secret|cookie|query)", log.read_text())
