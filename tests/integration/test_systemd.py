"""What a running service tells systemd, over a real socket: ready, alive, stopping."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from reconciler.simulator.simulator import Simulator
from tests.integration.commands import environment
from tests.integration.running import write_config

Ear = tuple[socket.socket, Path]


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Ear]:
    """The end of the line where systemd listens, and its address."""
    address = tmp_path / "notify"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(str(address))
        listener.settimeout(30.0)
        yield listener, address


@contextmanager
def service(folder: Path, database: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`reconciler run` as the unit starts it, over a simulated ComfyUI."""
    with Simulator(folder / "output") as gpu, (folder / "log").open("wb") as log:
        config = write_config(folder, database, gpu)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "reconciler", "run", "--config", config],
            env=environment(**variables),
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_ready_alive_and_stopping(database: str, tmp_path: Path, systemd: Ear) -> None:
    listener, address = systemd
    wanted = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
    with service(tmp_path, database, **wanted) as process:
        said = [listener.recv(4096).decode()]
        assert said == ["READY=1"]
        while said.count("WATCHDOG=1") < 3:
            said.append(listener.recv(4096).decode())
        assert "STOPPING=1" not in said
        process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in said:
            said.append(listener.recv(4096).decode())
        assert process.wait(20.0) == 0
    assert {words.partition("=")[0] for words in said} <= {
        "READY",
        "WATCHDOG",
        "STATUS",
        "STOPPING",
    }


def test_a_watchdog_meant_for_another_process_is_left_alone(
    database: str, tmp_path: Path, systemd: Ear
) -> None:
    listener, address = systemd
    wanted = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"}
    with service(tmp_path, database, **wanted) as process:
        assert listener.recv(4096) == b"READY=1"
        listener.settimeout(3.0)  # fifteen times the watchdog's patience
        with pytest.raises(TimeoutError):
            listener.recv(4096)
        process.send_signal(signal.SIGTERM)
        listener.settimeout(30.0)
        assert listener.recv(4096) == b"STOPPING=1"


def test_systemd_that_went_away_stops_nobody(database: str, tmp_path: Path, systemd: Ear) -> None:
    listener, address = systemd
    wanted = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
    with service(tmp_path, database, **wanted) as process:
        assert listener.recv(4096) == b"READY=1"
        address.unlink()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) == 0
