"""The real service learns from each run how long the next takes, with and without the pack."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for

SECONDS = 1.5


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


@pytest.fixture
def pack() -> bool:
    return True


@pytest.fixture
def gpu(tmp_path: Path, pack: bool) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output", pack=pack) as simulator:
        yield simulator


def submit(gpu: Simulator, rows: Rows, seed: int) -> str:
    graph = render_graph(frames=6, width=64, height=64, seconds=SECONDS, seed=seed)
    return rows.insert(comfyui_job_id=gpu.submit(graph), frames=6, job_type="video")


def state(rows: Rows, job: str) -> dict[str, Any]:
    found = rows.sql("select * from reconciler.job_state where job_id = %s", job)
    return found[0] if found else {}


def first_word(rows: Rows, job: str) -> tuple[float, float]:
    """The first estimate of a job that runs."""

    def told() -> tuple[float, float] | None:
        now = state(rows, job)
        runs = now.get("stage") == "running" and now["eta_s"] is not None
        return (now["eta_s"], now["eta_high_s"]) if runs else None

    return wait_for(told, "it runs, with an estimate")


@pytest.mark.parametrize("pack", [True, False], ids=["with the pack", "without the pack"])
def test_the_second_job_of_a_kind_is_estimated_better_also_after_a_restart(
    rows: Rows, gpu: Simulator, tmp_path: Path, pack: bool
) -> None:
    config = write_config(tmp_path, rows.url, gpu, reconcile={"interval_s": 0.2})
    with running(config):
        wait_for(rows.exists, "the table")
        first = submit(gpu, rows, 1)
        unlearned = first_word(rows, first)
        rows.wait(first, "completed")
    (run,) = rows.sql("select * from reconciler.runs")
    assert (run["job_id"], run["kind"], run["server"]) == (first, "success", "gpu1")
    assert run["workflow"]
    assert run["nodes_by"] == ("manifest" if pack else "heard")
    assert [node for node, _, _ in run["nodes"]] == ["1"]
    assert (run["frames"], run["width"], run["job_type"]) == (6, 64, "video")
    assert SECONDS <= run["ran_s"] < SECONDS + 5
    config.with_name("service.log").unlink()  # else it says already that it watches
    with running(config):
        second = submit(gpu, rows, 2)
        learned = first_word(rows, second)
        rows.wait(second, "completed")
    assert unlearned[0] > 20.0, "the budget's word"
    assert learned[0] <= learned[1]
    assert abs(learned[0] - SECONDS) < abs(unlearned[0] - SECONDS) / 2
    assert learned[1] - learned[0] < unlearned[1] - unlearned[0]
    assert len(rows.sql("select * from reconciler.runs")) == 2


def test_who_waits_is_told_what_stands_before_it_and_no_progress_goes_back(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = write_config(tmp_path, rows.url, gpu, reconcile={"interval_s": 0.1, "progress_s": 0.0})
    with running(config):
        wait_for(rows.exists, "the table")
        rows.wait(submit(gpu, rows, 1), "completed")
        jobs = [submit(gpu, rows, seed) for seed in (2, 3, 4)]
        wait_for(lambda: (state(rows, jobs[2]).get("wait_s") or 0) > 0, "it knows when it begins")
        waits = [state(rows, job) for job in jobs[1:]]
        assert waits[0]["eta_s"] < waits[1]["eta_s"] < 20 * SECONDS
        assert 0 < waits[1]["wait_s"] < waits[1]["eta_s"] < waits[1]["eta_high_s"]
        shown: list[int] = []
        while rows.row(jobs[0])["status"] != "completed":
            shown.append(rows.row(jobs[0])["progress"] or 0)
        for job in jobs:
            rows.wait(job, "completed")
    assert all(before <= after for before, after in pairwise(shown[:-1]))
    assert max(shown[:-1], default=0) < 100
