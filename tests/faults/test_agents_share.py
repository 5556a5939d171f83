"""Two ComfyUI servers on one output directory, reconciled by one agent and by two."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.faults.agents_stage import Agents
from tests.faults.conftest import Figure
from tests.integration.running import Running, running
from tests.waiting import wait_for


@pytest.fixture
def gpus(tmp_path: Path) -> Iterator[tuple[Simulator, Simulator]]:
    output = tmp_path / "output"
    with Simulator(output) as one, Simulator(output) as two:
        yield one, two


def inspected(*services: Running) -> list[str]:
    """The files that these services had decoded, each time that they did."""
    lines = [line for service in services for line in service.log.read_text().splitlines()]
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    return [line["path"] for line in logged if line["event"] == "inspected"]


@pytest.mark.parametrize("number", [1, 2], ids=["one agent", "two agents"])
def test_each_file_is_its_servers_and_inspected_once(
    number: int,
    database: str,
    tmp_path: Path,
    gpus: tuple[Simulator, Simulator],
    figure: Figure,
    long: bool,
) -> None:
    if number == 1 and not long:
        pytest.skip("two agents are the harder case: make faults plays both")
    stage = Agents(database, tmp_path, *gpus)
    with ExitStack() as stack:
        services = [stack.enter_context(running(config)) for config in configs(stage, number)]
        for server in ("gpu1", "gpu2"):
            wait_for(lambda server=server: stage.holder(server), f"{server} is reconciled")  # type: ignore[misc]
        jobs = {}
        for round_ in range(3):
            for name, gpu in zip(("gpu1", "gpu2"), gpus, strict=True):
                prefix = f"{name}_{round_}"  # as people do who let servers share a directory
                graph = render_graph(
                    frames=6, width=64, height=64, filename_prefix=prefix, seconds=0.2
                )
                jobs[stage.rows.insert(comfyui_job_id=gpu.submit(graph))] = (name, gpu)
        for job, (_, gpu) in jobs.items():
            row = stage.rows.wait(job, "completed")
            truth = next(t for t in gpu.truth() if t.prompt_id == row["comfyui_job_id"])
            assert row["output_path"] == truth.main_file
        times = inspected(*services)
    found = stage.rows.sql(
        "select convert_from(path, 'UTF8') as path, job_id, server from reconciler.outputs"
    )
    owned = {row["path"]: (row["job_id"], row["server"]) for row in found if row["job_id"]}
    assert dict(owned.values()) == {job: name for job, (name, _) in jobs.items()}
    assert sorted(times) == sorted(set(times))
    figure(f"{len(jobs)} jobs on two servers, {number} agents: {len(times)} inspections")


def configs(stage: Agents, number: int) -> list[Path]:
    """One agent for both servers, or one for each."""
    both = stage.config("both")
    if number == 1:
        return [both]
    written = []
    settings = json.loads(both.read_text())
    for server in settings["servers"]:
        config = stage.config(f"agent_{server['name']}")
        agent = {"name": server["name"], "takeover_s": 4.0}
        data_dir = str(config.parent / "data")
        own = {**settings, "servers": [server], "agent": agent, "data_dir": data_dir}
        config.write_text(json.dumps(own))
        written.append(config)
    return written
