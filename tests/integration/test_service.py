"""The real service over a simulated ComfyUI: real processes, real signals, real files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import InspectionError, OutputError
from reconciler.outputs.inspect import inspect
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


def submit(rows: Rows, gpu: Simulator, outcome: Outcome = Outcome.SUCCESS, **graph: object) -> str:
    """As an application does: POST /prompt, then a row with the prompt's id."""
    settings = {"frames": 6, "width": 64, "height": 64, **graph}
    prompt_id = gpu.submit(render_graph(outcome, **settings))  # type: ignore[arg-type]
    return rows.insert(comfyui_job_id=prompt_id)


def is_whole(video: Path) -> bool:
    """It is written to the end: some encoders open it once more, by its name, to reorder it."""
    try:
        return inspect(video).sound
    except (OutputError, InspectionError):
        return False


@pytest.mark.slow
def test_the_demonstration_agrees_with_the_truth() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "demo"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "17 of 17 rows agree" in done.stdout


def test_a_row_follows_its_prompt(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    with running(write_config(tmp_path, rows.url, gpu)):
        job = submit(rows, gpu, frames=12, seconds=2.0)
        rows.wait(job, "processing")
        wait_for(lambda: 0 < rows.row(job)["progress"] < 100, "progress in the row")
        row = rows.wait(job, "completed")
    assert row["output_path"] == gpu.truth()[0].main_file
    assert row["progress"] == 100


def test_a_tag_is_link_enough(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    with running(write_config(tmp_path, rows.url, gpu)):
        job = rows.insert()
        prompt_id = gpu.submit(render_graph(frames=6, seconds=0.5), job_id=job)
        row = rows.wait(job, "completed")
    assert row["comfyui_job_id"] == prompt_id


def test_sigterm_stops_within_five_seconds_and_loses_nothing(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    with running(config) as service:
        job = submit(rows, gpu, seconds=1.5)
        rows.wait(job, "processing")
        began = time.monotonic()
        assert service.end() == 0
        took_s = time.monotonic() - began
    assert took_s < 5.0
    assert rows.row(job)["status"] == "processing"
    gpu.wait_until_ended(rows.row(job)["comfyui_job_id"])
    with running(config):
        rows.wait(job, "completed")


def test_a_restart_of_comfyui_loses_what_it_had(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    with running(write_config(tmp_path, rows.url, gpu)):
        first, second = submit(rows, gpu, seconds=20.0), submit(rows, gpu, seed=1)
        rows.wait(first, "processing")
        seen = "select 1 from reconciler.job_state where job_id = %s and stage = 'pending'"
        wait_for(lambda: rows.sql(seen, second), "the second is seen, so that it can be missed")
        gpu.crash(restart_after_s=1.0)
        rows.wait(first, "failed", "lost")
        rows.wait(second, "failed", "lost")


def test_a_server_that_is_down_at_the_start_is_waited_for(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    gpu.crash(restart_after_s=2.0)
    with running(write_config(tmp_path, rows.url, gpu)):
        job = rows.insert(status="queued")
        prompt_id = wait_for(lambda: _try_submit(gpu, job), "the server is up again")
        row = rows.wait(job, "completed")
    assert row["comfyui_job_id"] == prompt_id


def test_an_output_directory_that_vanishes_while_running(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    with (
        Simulator(tmp_path / "other") as other,
        running(write_config(tmp_path, rows.url, gpu, other)),
    ):
        job = submit(rows, gpu, seconds=1.0, linger_seconds=1.0)
        wait_for(lambda: any(map(is_whole, gpu.output_dir.rglob("*.mp4"))), "its file is written")
        away = gpu.output_dir.with_name("away")
        gpu.output_dir.rename(away)
        rows.wait(submit(rows, other), "completed")
        gpu.wait_until_ended(rows.row(job)["comfyui_job_id"])
        rows.wait(submit(rows, other, seed=1), "completed")
        assert rows.row(job)["status"] == "processing", "nothing is known of its file now"
        shutil.rmtree(gpu.output_dir, ignore_errors=True)  # the node pack's manifest lies there
        away.rename(gpu.output_dir)
        rows.wait(job, "completed")


def test_broken_database_connections_are_made_anew(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    with running(write_config(tmp_path, rows.url, gpu)):
        job = submit(rows, gpu, seconds=1.0)
        rows.wait(job, "processing")
        ended = rows.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert ended
        rows.wait(job, "completed")


@pytest.mark.parametrize("observer", ["inotify", "polling"])
def test_each_observer(rows: Rows, gpu: Simulator, tmp_path: Path, observer: str) -> None:
    watch = {"observer": observer, "poll_interval_s": 0.2, "rescan_s": 600.0}
    with running(write_config(tmp_path, rows.url, gpu, watch=watch)):
        job = submit(rows, gpu, saver=Saver.VHS_VIDEO_COMBINE)
        rows.wait(job, "completed")
        inspected = "select count(*) as n from reconciler.outputs"
        # The PNG that VHS writes beside the video is in no history: only the watch finds it.
        wait_for(lambda: rows.sql(inspected)[0]["n"] >= 2, "the watch has files inspected")


def test_frozen_sockets_cost_latency_only(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    with running(write_config(tmp_path, rows.url, gpu)):
        job = submit(rows, gpu, Outcome.FROZEN_SOCKETS, seconds=0.5)
        rows.wait(job, "completed")


def test_a_file_name_that_is_no_text(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    with running(write_config(tmp_path, rows.url, gpu)) as service:
        whole = Path(gpu.wait_until_ended(gpu.submit(render_graph(frames=2))).main_file or "")
        odd = whole.with_name("odd\udcff\n[red]name.mp4")
        odd.write_bytes(whole.read_bytes())
        count = "select count(*) as n from reconciler.outputs"
        wait_for(lambda: rows.sql(count)[0]["n"] == 2, "both files are inspected")
        job = submit(rows, gpu, seed=3)
        rows.wait(job, "completed")
        assert service.process.poll() is None


def _try_submit(gpu: Simulator, job: str) -> str | None:
    try:
        return gpu.submit(render_graph(frames=2), job_id=job)
    except OSError:
        return None
