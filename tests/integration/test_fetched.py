"""A server whose output directory is not mounted: what history lists is fetched through /view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.simulator import Simulator
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "far away") as simulator:
        yield simulator


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


def remote(tmp_path: Path, rows: Rows, gpu: Simulator, **more: object) -> Path:
    """Settings of a service that cannot see the directory."""
    config = write_config(tmp_path, rows.url, gpu, **more)
    settings = json.loads(config.read_text())
    (server,) = settings["servers"]
    del server["output_dir"]
    server |= {"fetch_outputs": True, "stored_path": "/mnt/output"}
    config.write_text(json.dumps(settings))
    return config


def copies(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "data" / "fetched").rglob("*") if path.is_file()]


def submit(rows: Rows, gpu: Simulator, outcome: Outcome = Outcome.SUCCESS, **graph: object) -> str:
    settings = {"frames": 6, "width": 64, "height": 64, **graph}
    prompt_id = gpu.submit(render_graph(outcome, **settings))  # type: ignore[arg-type]
    return rows.insert(comfyui_job_id=prompt_id, frames=6)


def test_whole_files_are_copied_checked_and_named_as_applications_see_them(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    with running(remote(tmp_path, rows, gpu)):
        video = submit(rows, gpu, seed=1)
        still = rows.insert(comfyui_job_id=gpu.submit(render_graph(saver=Saver.SAVE_IMAGE, seed=2)))
        row = rows.wait(video, "completed")
        rows.wait(still, "completed")
    main = Path(gpu.truth()[0].main_file)
    assert row["output_path"] == f"/mnt/output/{main.relative_to(gpu.output_dir)}"
    assert main.read_bytes() in [copy.read_bytes() for copy in copies(tmp_path)]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome.TRUNCATED, "invalid_output: "),
        (Outcome.SHORT, "invalid_output: "),
        (Outcome.DELETED, "missing_output: "),
    ],
)
def test_what_is_wrong_with_a_file_is_found(
    rows: Rows, gpu: Simulator, tmp_path: Path, outcome: Outcome, says: str
) -> None:
    with running(remote(tmp_path, rows, gpu)):
        rows.wait(submit(rows, gpu, outcome), "failed", says)


def test_a_file_that_is_too_large_is_not_judged_and_its_job_says_so(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    little = {"settle_s": 0.2, "fetch_limit_bytes": 1024}
    with running(remote(tmp_path, rows, gpu, outputs=little)):
        job = submit(rows, gpu)
        state = wait_for(
            lambda: rows.sql(
                "select reason from reconciler.job_state where job_id = %s"
                " and reason like '%%fetch_limit_bytes%%'",
                job,
            ),
            "the reason names the setting",
        )
    assert "more than outputs.fetch_limit_bytes allows (1024)" in state[0]["reason"]
    assert rows.row(job)["status"] == "processing"
    assert copies(tmp_path) == []


def test_what_history_forgot_is_lost_since_nobody_lists_the_files(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    with running(remote(tmp_path, rows, gpu)):
        job = submit(rows, gpu, Outcome.CRASH_SAVED, seconds=1.5, restart_after_s=1.0)
        rows.wait(job, "failed", "lost: ")


def test_without_either_the_service_says_what_to_set(
    rows: Rows, gpu: Simulator, tmp_path: Path
) -> None:
    config = remote(tmp_path, rows, gpu)
    settings = json.loads(config.read_text())
    settings["servers"][0]["fetch_outputs"] = False
    config.write_text(json.dumps(settings))
    with pytest.raises(AssertionError, match="fetch_outputs: true"), running(config):
        pass
