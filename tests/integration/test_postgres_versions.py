"""On every version of Postgres whose programs are here: the service, the commands and doctor.

At least on Debian's, and on the embedded one, on which all other tests run; see tests/postgres.py
for how to name others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from reconciler.doctor.database import check_database
from reconciler.doctor.finding import Level
from reconciler.settings import load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store import open_store, server_programs
from reconciler.store.listening import Listener
from tests.integration.adopting import STRANGE_TABLE, proposed
from tests.integration.commands import reconciler
from tests.integration.conftest import execute, fresh_database
from tests.integration.running import Rows, running, write_config
from tests.integration.tables import run_sql
from tests.postgres import NO_DEBIAN, Postgres, debian_programs, version_of
from tests.waiting import wait_for

_FOUND = debian_programs()
_SKIPPED = pytest.param(None, marks=pytest.mark.skip(reason=NO_DEBIAN), id="debian")


@pytest.fixture(
    scope="module",
    params=[
        *([pytest.param(each, id=f"postgres{version_of(each)}") for each in _FOUND] or [_SKIPPED]),
        pytest.param(server_programs.installation(), id="embedded"),
    ],
)
def server(request: pytest.FixtureRequest, servers_dir: Path) -> Iterator[Postgres]:
    """A server of this version, that lasts as long as its tests."""
    started = Postgres(request.param, servers_dir / f"version{request.param_index}")
    started.create()
    started.start()
    yield started
    started.stop("immediate")


@pytest.fixture
def database(server: Postgres) -> Iterator[str]:
    with fresh_database(server.url) as url:
        yield url


def test_adopt_reads_the_catalog_of_each(database: str, tmp_path: Path) -> None:
    run_sql(database, STRANGE_TABLE)
    found = proposed(database, tmp_path / "reconciler.yaml")
    assert found["settings"]["jobs"]["columns"]["prompt_id"] == "comfyUIJobId"
    assert [note["text"] for note in found["notes"] if note["kind"] == "problem"] == []


def test_rows_end_rightly_and_the_commands_tell_them(
    server: Postgres, database: str, tmp_path: Path
) -> None:
    if server.programs == server_programs.installation():
        pytest.skip("the embedded one: test_service does the same and more")
    rows = Rows(database)
    with Simulator(tmp_path / "gpu") as gpu:
        config = write_config(tmp_path, database, gpu)
        with running(config):
            wait_for(rows.exists, "the table is made")
            good = rows.insert(comfyui_job_id=gpu.submit(render_graph(frames=6, seconds=1.0)))
            waits = gpu.submit(render_graph(seed=1))
            deleted = rows.insert(comfyui_job_id=waits)
            bad = rows.insert(comfyui_job_id=gpu.submit(render_graph(Outcome.ERROR)))
            requests.post(f"{gpu.url}/queue", json={"delete": [waits]}, timeout=5)
            rows.wait(good, "completed")
            rows.wait(bad, "failed", "execution_error")
            rows.wait(deleted, "cancelled")
        shown = reconciler("status", "--config", config)
        story = reconciler("explain", good, "--config", config)
    for status in ("completed", "failed", "cancelled"):
        assert status in shown.stdout, shown.stderr
    assert "completed" in story.stdout, story.stderr


def test_migrations_run_once_and_news_are_heard(database: str) -> None:
    with closing(open_store(database).connection):
        pass
    with closing(open_store(database).connection) as connection, Listener(connection) as listener:
        listener.wait(0.0)
        execute(database, "notify reconciler, 'news'")
        wait_for(lambda: listener.wait(0.5), "the notification is heard")


def test_doctor_names_the_version_and_has_no_complaint(server: Postgres, database: str) -> None:
    open_store(database).connection.close()
    settings = load(config=Path("/dev/null"), flags={"database": {"url": database}})
    findings = list(check_database(settings))
    assert [each for each in findings if each.level is Level.FAILED] == []
    (said,) = [each.detail for each in findings if each.what == "database"]
    assert said.startswith(f"PostgreSQL {version_of(server.programs)}.")
