"""`reconciler cancel`, `forget`, `recheck`, `accept`: asked of a running service, and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store import open_store
from tests.integration.commands import fits, reconciler
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
    settings = {"frames": 6, "width": 64, "height": 64, **graph}
    prompt_id = gpu.submit(render_graph(outcome, **settings))  # type: ignore[arg-type]
    return rows.insert(comfyui_job_id=prompt_id)


def test_running_and_waiting_jobs_are_cancelled(rows: Rows, gpu: Simulator, tmp_path: Path) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    with running(config):
        runs, waits = submit(rows, gpu, seconds=60.0), submit(rows, gpu, seconds=0.5)
        rows.wait(runs, "processing")
        wait_for(lambda: rows.row(waits)["status"] == "queued", "the other one waits")
        done = reconciler("cancel", waits, runs, "--config", config)
        assert (done.returncode, done.stdout.splitlines()) == (
            0,
            [f"{waits} cancel: done: cancelled", f"{runs} cancel: done: cancelled"],
        ), done.stderr
    assert {rows.row(job)["status"] for job in (runs, waits)} == {"cancelled"}
    assert all(row["error"] is None for row in map(rows.row, (runs, waits)))


def test_a_job_that_has_ended_and_one_that_is_not_there(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    with running(config):
        job = submit(rows, gpu, seconds=0.2)
        rows.wait(job, "completed")
        told = reconciler("cancel", job, "--json", "--config", config)
        assert told.returncode == 1
        (request,) = json.loads(told.stdout)
        assert request["outcome"] == "refused"
        assert request["answer"] == "it is completed: it had ended before"
        unknown = reconciler("recheck", job, "4711", "--config", config)
        assert unknown.returncode == 2
        assert "there is no job '4711'" in unknown.stderr
        assert f"{job} recheck: done: looked again: the job is completed; " in unknown.stdout
        assert fits(unknown.stdout) or len(unknown.stdout.splitlines()) == 1


def test_a_damaged_film_is_looked_at_again_and_accepted(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    with running(config):
        job = submit(rows, gpu, Outcome.TRUNCATED, seconds=0.2)
        rows.wait(job, "failed", "invalid_output")
        again = reconciler("recheck", job, "--config", config)
        assert "done: looked again: the job is failed; " in again.stdout
        assert rows.row(job)["status"] == "failed"
        taken = reconciler("accept", job, "--config", config)
        assert (taken.returncode, taken.stdout) == (0, f"{job} accept: done: completed\n")
        row = rows.wait(job, "completed", "warning: accepted as it is by ")
    assert row["output_path"]
    assert row["progress"] == 100
    story = reconciler("explain", job, "--config", config).stdout
    assert "asked: accept" in story


def test_without_a_service_it_stays_asked_and_is_done_when_there_is_one(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu)
    open_store(rows.url).close()
    job = submit(rows, gpu, seconds=60.0)
    asked = reconciler("cancel", job, "--wait", "0", "--config", config)
    assert asked.returncode == 1
    assert "no answer yet" in asked.stdout
    with running(config):
        rows.wait(job, "cancelled")
