"""Agents of different versions on one database: who does not fit waits, and says for what."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.simulator.simulator import Simulator
from reconciler.store.revision import newest_revision
from tests.faults.agents_stage import Agents
from tests.faults.conftest import Figure
from tests.faults.newer_version import NEWER
from tests.integration.commands import reconciler
from tests.integration.running import running
from tests.waiting import wait_for

_NEWER_VERSION = "tests.faults.newer_version"


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


@pytest.fixture
def agents(database: str, tmp_path: Path, gpu: Simulator) -> Agents:
    return Agents(database, tmp_path, gpu)


def waiting(agents: Agents) -> dict[str, str]:
    """What each agent waits for that waits."""
    done = reconciler("status", "--agents", "--json", "--database", agents.rows.url)
    shown: list[dict[str, Any]] = json.loads(done.stdout)
    return {agent["name"]: agent["waiting"] for agent in shown if agent["waiting"]}


def test_a_newer_version_waits_for_the_older_ones_and_then_migrates(
    agents: Agents, gpu: Simulator, figure: Figure
) -> None:
    with agents.agent("older") as older:
        agents.wait_for_holder("older")
        with running(agents.config("newer"), _NEWER_VERSION, until_watching=False) as newer:
            wait_for(lambda: b"waiting" in newer.log.read_bytes(), "the newer one says it waits")
            wait_for(lambda: "newer" in waiting(agents), "and shows it")
            assert "agents still work with that: older on" in waiting(agents)["newer"]
            agents.rows.wait(agents.submit(gpu), "completed")
            assert agents.holder() == ("older", 1)
            began = time.monotonic()
            assert older.end() == 0
            newer.wait_until_watching()
            agents.wait_for_holder("newer")
            took_s = time.monotonic() - began
            figure(f"the older one stopped: migrated and reconciling after {took_s:.1f} s")
            agents.rows.wait(agents.submit(gpu), "completed")
        found = agents.rows.sql("select version_num from reconciler.migrations")
        assert found == [{"version_num": NEWER}]
        _waits_for_an_upgrade(agents, agents.submit(gpu))


def _waits_for_an_upgrade(agents: Agents, job: str) -> None:
    """The older version after that: its agent waits, and its commands say why."""
    with running(agents.config("older"), until_watching=False) as older:
        wait_for(lambda: b"Upgrade" in older.log.read_bytes(), "the older one says what to do")
        config = str(agents.config("older"))
        for command in (["once", "--config", config], ["status", "--config", config]):
            done = reconciler(*command)
            assert done.returncode == 3
            assert f"revision {NEWER}" in done.stderr
            assert "pgrade the reconciler on this host" in done.stderr
        assert older.process.poll() is None
    assert agents.rows.row(job)["status"] == "queued"


@pytest.mark.usefixtures("only_long")
def test_a_running_agent_stops_writing_when_the_schema_changes(
    agents: Agents, gpu: Simulator
) -> None:
    with agents.agent("first") as first:
        agents.wait_for_holder("first")
        agents.rows.sql("update reconciler.migrations set version_num = %s", NEWER)
        wait_for(lambda: b"nothing is written" in first.log.read_bytes(), "it says so")
        wait_for(lambda: agents.holder() is None, "it gives its server back")
        job = agents.submit(gpu)
        gpu.wait_until_ended(agents.rows.row(job)["comfyui_job_id"])
        told = agents.rows.sql("select waiting from reconciler.agents")
        assert f"revision {NEWER}" in told[0]["waiting"]
        assert agents.rows.row(job)["status"] == "queued"
        agents.rows.sql("update reconciler.migrations set version_num = %s", newest_revision())
        agents.rows.wait(job, "completed")
