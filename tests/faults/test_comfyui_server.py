"""A ComfyUI server that stands still, is another one all of a sudden, or cannot be found."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
import websocket

from reconciler.service.attending import own_client_id
from reconciler.simulator.graph import Graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.comfyui_trial import HASTY, picture
from tests.faults.conftest import Figure
from tests.faults.http_proxy import before
from tests.integration.running import Rows, running, write_config
from tests.unit.comfyui.tcp import free_port
from tests.waiting import wait_for


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


def entry(url: str, output_dir: Path, name: str = "gpu") -> dict[str, str]:
    return {"name": name, "url": url, "output_dir": str(output_dir)}


def verdicts(rows: Rows, job: str) -> list[str]:
    """Every final status that the job ever had."""
    final = "select to_status from reconciler.events where job_id = %s and to_status in %s"
    told = rows.sql(final, job, ("completed", "failed", "cancelled"))
    return [event["to_status"] for event in told]


class Process:
    """A simulator in a process of its own."""

    def __init__(self, output_dir: Path, *arguments: str) -> None:
        self.output_dir = output_dir
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        where = ["--port", str(port), "--output-dir", str(output_dir), *arguments]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "simulate", *where],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def submit(self, graph: Graph) -> str:
        answer = requests.post(f"{self.url}/prompt", json={"prompt": graph}, timeout=10.0)
        return str(answer.json()["prompt_id"])

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/queue", timeout=5.0).ok
        except requests.RequestException:
            return False


@contextmanager
def simulating(output_dir: Path, *arguments: str) -> Iterator[Process]:
    simulator = Process(output_dir, *arguments)
    try:
        wait_for(simulator.answers, "the simulator answers")
        yield simulator
    finally:
        simulator.process.send_signal(signal.SIGCONT)
        simulator.process.terminate()
        simulator.process.wait(10.0)


def test_a_comfyui_that_is_stopped_by_sigstop(
    rows: Rows, tmp_path: Path, figure: Figure, long: bool
) -> None:
    """The kernel goes on accepting connections; nobody answers."""
    stopped_s = 30.0 if long else 1.5
    with simulating(tmp_path / "out") as gpu:
        config = write_config(tmp_path, rows.url, **HASTY, servers=[entry(gpu.url, gpu.output_dir)])
        with running(config):
            runs, waits = (
                rows.insert(comfyui_job_id=gpu.submit(picture(seconds=1.0))) for _ in range(2)
            )
            rows.wait(runs, "processing")
            gpu.process.send_signal(signal.SIGSTOP)
            how = "select unreachable_how from reconciler.servers"
            wait_for(lambda: rows.sql(how)[0]["unreachable_how"] == "timeout", "it is noticed")
            threading.Event().wait(stopped_s)
            said = [rows.row(job)["status"] for job in (runs, waits)]
            gpu.process.send_signal(signal.SIGCONT)
            began_s = time.monotonic()
            wait_for(lambda: rows.sql(how)[0]["unreachable_how"] is None, "it answers again")
            again_s = time.monotonic() - began_s
            for job in (runs, waits):
                rows.wait(job, "completed")
    figure(f"stopped for {stopped_s:g} s: {said}; known to answer {again_s:.1f} s after SIGCONT")
    assert said == ["processing", "queued"]
    assert verdicts(rows, runs) == verdicts(rows, waits) == ["completed"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pack" in metafunc.fixturenames:
        packs = [True, False] if metafunc.config.getoption("--long") else [True]
        metafunc.parametrize("pack", packs, ids=["with the pack", "without it"][: len(packs)])


@pytest.mark.usefixtures("only_long")
def test_another_server_at_the_same_address(
    rows: Rows, tmp_path: Path, figure: Figure, pack: bool
) -> None:
    """For good: what ran on the old one is lost, what the new one is given is its own."""
    with (
        Simulator(tmp_path / "out", pack=pack) as old,
        Simulator(tmp_path / "out", pack=pack) as new,
        before(old.url) as proxy,
    ):
        config = write_config(
            tmp_path, rows.url, **HASTY, servers=[entry(proxy.url, old.output_dir)]
        )
        with running(config):
            job = rows.insert(comfyui_job_id=old.submit(picture(Outcome.ENDLESS)))
            rows.wait(job, "processing")
            proxy.upstream = new.url
            proxy.behave()
            began_s = time.monotonic()
            mine = rows.insert(comfyui_job_id=new.submit(picture()))
            rows.wait(mine, "completed")
            mine_s = time.monotonic() - began_s
            error = rows.wait(job, "failed", "lost")["error"]
            lost_s = time.monotonic() - began_s
    figure(f"lost after {lost_s:.1f} s: {error!r}; the new server's job right after {mine_s:.1f} s")
    assert ("boot id changed" in error) is pack


def test_another_server_at_the_same_address_for_a_moment(
    rows: Rows, tmp_path: Path, figure: Figure, pack: bool
) -> None:
    """As behind a load balancer: nothing is concluded meanwhile, and the end is right."""
    patient = {**HASTY, "lost": {"confirmations": 2, "grace_s": 3600, "restart_grace_s": 3600}}
    with (
        Simulator(tmp_path / "out", pack=pack) as mine,
        Simulator(tmp_path / "other", pack=pack) as other,
        before(mine.url) as proxy,
    ):
        config = write_config(
            tmp_path, rows.url, **patient, servers=[entry(proxy.url, mine.output_dir)]
        )
        with running(config):
            prompt_id = mine.submit(picture(Outcome.ENDLESS))
            job = rows.insert(comfyui_job_id=prompt_id)
            rows.wait(job, "processing")
            proxy.upstream = other.url
            proxy.behave()
            missing = "select 1 from reconciler.prompts where missing_looks > 1"
            wait_for(lambda: rows.sql(missing), "the other does not know the prompt")
            said = rows.row(job)["status"]
            proxy.upstream = mine.url
            proxy.behave()
            body = {"prompt_id": prompt_id}
            requests.post(f"{mine.url}/interrupt", json=body, timeout=10.0)
            began_s = time.monotonic()
            rows.wait(job, "failed", "interrupted")
    figure(f"meanwhile: {said}; right {time.monotonic() - began_s:.1f} s after it was back")
    assert said == "processing"
    assert verdicts(rows, job) == ["failed"]


#: In the service's process: names are found where a file says so.
RESOLVER = """
import os, socket
_real = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    if host == "gpu.example":
        if not os.path.exists(os.environ["TEST_NAMES"]):
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        host = "127.0.0.1"
    return _real(host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.usefixtures("only_long")
def test_names_that_are_not_found_for_a_while(
    rows: Rows, tmp_path: Path, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tmp_path / "names"
    names.touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(RESOLVER)
    monkeypatch.setenv("TEST_NAMES", str(names))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *_path()]))
    # Without the pack: its manifest would tell the end past the network.
    with Simulator(tmp_path / "out", pack=False) as gpu, before(gpu.url) as proxy:
        url = proxy.url.replace("127.0.0.1", "gpu.example")
        config = write_config(tmp_path, rows.url, **HASTY, servers=[entry(url, gpu.output_dir)])
        with running(config):
            prompt_id = gpu.submit(picture(seconds=1.0))
            job = rows.insert(comfyui_job_id=prompt_id)
            rows.wait(job, "processing")
            names.unlink()
            proxy.behave()
            proxy.misbehave(lambda visit: visit.hang_up())  # connections that are open know no name
            how = "select unreachable_how from reconciler.servers"
            wait_for(lambda: rows.sql(how)[0]["unreachable_how"] == "refused", "it is noticed")
            gpu.wait_until_ended(prompt_id)
            said = rows.row(job)["status"]
            proxy.behave()
            names.touch()
            began_s = time.monotonic()
            rows.wait(job, "completed")
    figure(f"meanwhile: {said}; right {time.monotonic() - began_s:.1f} s after names were back")
    assert said == "processing"
    assert verdicts(rows, job) == ["completed"]


@pytest.mark.usefixtures("only_long")
def test_a_client_id_that_somebody_else_takes(rows: Rows, tmp_path: Path, figure: Figure) -> None:
    """ComfyUI sends to the newest connection of a client id alone: ours stays open and silent."""
    with Simulator(tmp_path / "out", pack=False) as gpu:
        config = write_config(tmp_path, rows.url, **HASTY, servers=[entry(gpu.url, gpu.output_dir)])
        with running(config):
            first = rows.insert(comfyui_job_id=gpu.submit(picture()))
            rows.wait(first, "completed")
            ours = own_client_id(socket.gethostname(), "gpu")
            where = f"{gpu.url.replace('http', 'ws')}/ws?clientId={ours}"
            with closing(websocket.create_connection(where, timeout=10.0)) as thief:
                assert b"status" in thief.recv().encode()
                began_s = time.monotonic()
                job = rows.insert(comfyui_job_id=gpu.submit(picture(seed=1)))
                rows.wait(job, "completed")
                took_s = time.monotonic() - began_s
    figure(f"a job of which the thief alone heard: right {took_s:.1f} s after its submission")


def _path() -> list[str]:
    return [entry for entry in (os.environ.get("PYTHONPATH"), os.getcwd()) if entry]
