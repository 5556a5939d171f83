"""The real service, and manifests of the real node pack in a simulated ComfyUI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comfy_node.contract import MANIFEST_DIR, manifest_name
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.manifests import manifest, write
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def gpu(tmp_path: Path) -> Simulator:
    return Simulator(tmp_path / "output")


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


@pytest.fixture
def config(tmp_path: Path, rows: Rows, gpu: Simulator) -> Iterator[Path]:
    """Settings with which nothing is looked at unless there is a hint."""
    with gpu:
        quiet = {
            "reconcile": {"interval_s": 600},
            "watch": {"rescan_s": 600},
            "comfyui": {"socket": False, "connect_timeout_s": 1.0, "timeout_s": 2.0},
        }
        yield write_config(tmp_path, rows.url, gpu, **quiet)


def test_a_manifest_is_hint_enough(rows: Rows, gpu: Simulator, config: Path) -> None:
    with running(config):
        prompt_id = gpu.submit(render_graph(frames=6, width=64, height=64, seconds=2.0))
        job = rows.insert(comfyui_job_id=prompt_id)
        rows.wait(job, "processing")
        row = rows.wait(job, "completed")
    assert row["output_path"] == gpu.truth()[0].main_file


def test_a_prompt_that_only_its_manifest_knows_is_linked_by_it(
    rows: Rows, gpu: Simulator, config: Path
) -> None:
    with running(config):
        wait_for(rows.exists, "the table")
        job = rows.insert()
        wait_for(lambda: seen(rows, job), "the row was seen")
        at = rows.sql("select extract(epoch from now())::float8 as now")[0]["now"]
        write(gpu.output_dir, manifest("p1", "removed", at=at, job_id=job))
        row = rows.wait(job, "cancelled")
    assert row["comfyui_job_id"] == "p1"


def seen(rows: Rows, job: str) -> bool:
    return bool(rows.sql("select 1 from reconciler.job_state where job_id = %s", job))


def test_comfyui_and_the_reconciler_were_both_down(
    rows: Rows, gpu: Simulator, config: Path
) -> None:
    with running(config):
        wait_for(rows.exists, "the table")
    named, tagged = rows.insert(), rows.insert()
    graph = render_graph(frames=6, width=64, height=64)
    first = gpu.submit(graph)
    rows.sql("update production_jobs set comfyui_job_id = %s where id::text = %s", first, named)
    second = gpu.submit(render_graph(frames=6, width=64, height=64, seed=7), job_id=tagged)
    folder = gpu.output_dir / MANIFEST_DIR
    for prompt_id in (first, second):
        wait_for((folder / manifest_name(prompt_id)).exists, "the manifest")
    gpu.stop()
    try:
        with running(config):
            assert rows.wait(named, "completed")["output_path"] == gpu.truth()[0].main_file
            assert rows.wait(tagged, "completed")["comfyui_job_id"] == second
    finally:
        gpu.start()
