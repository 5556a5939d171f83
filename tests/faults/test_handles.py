"""The service has no file handle left for a while: it says so, fails nobody, and goes on."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.comfyui_trial import HASTY, picture
from tests.faults.conftest import Figure
from tests.faults.test_comfyui_server import verdicts
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.mark.usefixtures("only_long")
def test_no_file_handle_is_left(database: str, tmp_path: Path, figure: Figure) -> None:
    without_s = 20.0
    rows = Rows(database)
    with (
        Simulator(tmp_path / "out", pack=False) as gpu,
        running(write_config(tmp_path, database, gpu, **HASTY)) as service,
    ):
        runs = rows.insert(comfyui_job_id=gpu.submit(picture(Outcome.ENDLESS)))
        rows.wait(runs, "processing")
        process = psutil.Process(service.process.pid)
        usual = process.rlimit(psutil.RLIMIT_NOFILE)
        before = process.num_fds()
        # No more than it has open, and its connections are made anew.
        process.rlimit(psutil.RLIMIT_NOFILE, (3, usual[1]))
        _cut_database(rows)
        gpu.crash(restart_after_s=0.1)
        words = b"Too many open files"
        wait_for(lambda: words in service.log.read_bytes(), "it says so")
        job = wait_for(lambda: _submitted(rows, gpu), "the server is up again")
        threading.Event().wait(without_s)
        said = [rows.row(runs)["status"], rows.row(job)["status"]]
        assert service.process.poll() is None
        process.rlimit(psutil.RLIMIT_NOFILE, usual)
        began_s = time.monotonic()
        rows.wait(job, "completed")
        rows.wait(runs, "failed", "lost")
        right_s = time.monotonic() - began_s
        wait_for(lambda: process.num_fds() < before + 10, "nothing is left open")
        assert b"a defect" not in service.log.read_bytes(), service.log.read_text()
    figure(
        f"without handles for {without_s:g} s: {said}; right {right_s:.1f} s after they were back"
    )
    assert said == ["processing", "queued"]
    assert [verdicts(rows, runs), verdicts(rows, job)] == [["failed"], ["completed"]]


def _cut_database(rows: Rows) -> None:
    rows.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


def _submitted(rows: Rows, gpu: Simulator) -> str | None:
    with suppress(OSError):
        return rows.insert(comfyui_job_id=gpu.submit(picture(seed=1)))
    return None
