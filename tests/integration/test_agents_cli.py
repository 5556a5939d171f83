"""Commands beside a running service: who reconciles what, and what `once` leaves to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.commands import reconciler
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


def test_what_people_see_of_agents(database: str, tmp_path: Path, gpu: Simulator) -> None:
    rows = Rows(database)
    agent = {"name": "render-a", "takeover_s": 20.0}
    config = str(write_config(tmp_path, database, gpu, agent=agent))
    with running(Path(config)) as service:
        wait_for(
            lambda: rows.sql("select 1 as one from reconciler.leases where agent is not null"),
            "held",
        )
        before = rows.sql("select server, agent, epoch from reconciler.leases")
        _once_leaves_it_to_the_service(rows, config)
        assert rows.sql("select server, agent, epoch from reconciler.leases") == before
        shown = reconciler("status", "--agents", "--config", config).stdout
        assert all(len(line) <= 80 for line in shown.splitlines()), shown
        assert shown.split()[:5] == ["agent", "host", "pid", "version", "schema"]
        for said in ("render-a", str(service.process.pid), "gpu1 (1)", "unknown server (1)"):
            assert said in shown
        told = json.loads(reconciler("status", "--agents", "--json", "--config", config).stdout)
        assert [(a["name"], a["alive"], a["state"]) for a in told] == [
            ("render-a", True, "reconciles")
        ]
        assert {lease["server"] for lease in told[0]["leases"]} == {"gpu1", "*"}
        doctor = reconciler("doctor", "--config", config).stdout
        assert "reconciles gpu1" in doctor
    assert rows.sql("select 1 as one from reconciler.agents") == []
    assert "Nobody has reconciled gpu1" in reconciler("status", "--config", config).stdout
    _once_takes_what_is_free(rows, config, gpu)


def _once_leaves_it_to_the_service(rows: Rows, config: str) -> None:
    done = reconciler("once", "--config", config)
    assert done.returncode == 1
    assert "gpu1 is reconciled by render-a on " in done.stderr
    assert " ago." in done.stderr
    assert "Nothing was looked at" in done.stderr
    assert len(rows.sql("select 1 as one from reconciler.agents")) == 1


def _once_takes_what_is_free(rows: Rows, config: str, gpu: Simulator) -> None:
    prompt = gpu.submit(render_graph(frames=6, width=64, height=64))
    job = rows.insert(comfyui_job_id=prompt)
    gpu.wait_until_ended(prompt)
    story = reconciler("explain", job, "--config", config).stdout
    assert "Nobody has reconciled gpu1 for " in " ".join(story.split())
    done = reconciler("once", "--config", config)
    assert done.returncode == 0, done.stderr
    assert rows.row(job)["status"] == "completed"
    assert rows.sql("select agent from reconciler.leases where agent is not null") == []
