"""Through PgBouncer in transaction mode: each transaction may have another session of Postgres."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from reconciler.doctor.database import check_database
from reconciler.doctor.finding import Finding, Level
from reconciler.settings import load
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from reconciler.store.connection import Connection, is_pooled
from reconciler.store.listening import Listener
from tests.integration.commands import reconciler, start
from tests.integration.conftest import execute
from tests.integration.running import Rows, running, write_config
from tests.postgres import NO_PGBOUNCER, PGBOUNCER, pgbouncer
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason=NO_PGBOUNCER)


@pytest.fixture
def pooled(database: str, servers_dir: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The test's database, through PgBouncer."""
    with pgbouncer(database, servers_dir / f"pgbouncer-{abs(hash(request.node.name))}") as url:
        yield url


def connection_to(url: str, direct_url: str | None = None) -> Connection:
    return Connection(url, connect_timeout_s=5, statement_timeout_s=30, direct_url=direct_url)


def test_a_pooler_shows_itself(database: str, pooled: str) -> None:
    for url, expected in ((database, False), (pooled, True)):
        with closing(connection_to(url).connect()) as raw:
            assert is_pooled(raw) is expected


def test_no_session_is_relied_on_and_none_is_left_changed(pooled: str) -> None:
    names = ("statement_timeout", "timezone", "idle_in_transaction_session_timeout")
    asked = ", ".join(f"current_setting('{name}') as {name}" for name in names)
    with closing(connection_to(pooled)) as connection:
        with connection.transaction() as cursor:
            cursor.execute(f"select {asked}")
            inside = cursor.fetchone()
        with closing(psycopg2.connect(pooled)) as other, other.cursor() as cursor:
            cursor.execute(f"select {asked}")
            outside = cursor.fetchone()
    assert inside == dict(zip(names, ("30s", "UTC", "1min"), strict=True))
    assert outside is not None
    assert (outside[0], outside[2]) == ("0", "0")


@pytest.mark.parametrize("direct", [True, False])
def test_news_are_heard_past_the_pooler_and_polled_for_without_a_way_past_it(
    database: str, pooled: str, direct: bool
) -> None:
    connection = connection_to(pooled, database if direct else None)
    with closing(connection), Listener(connection) as listener:
        listener.wait(0.0)
        telling = threading.Thread(target=execute, args=(database, "notify reconciler, 'news'"))
        telling.start()
        heard = any(listener.wait(1.0) for _ in range(5 if direct else 1))
        telling.join()
    assert heard is direct


@pytest.mark.parametrize("direct", [True, False])
def test_the_service_and_its_commands_work_through_it(
    database: str, pooled: str, direct: bool, tmp_path: Path
) -> None:
    urls = {"url": pooled} | ({"direct_url": database} if direct else {})
    rows = Rows(database)
    with Simulator(tmp_path / "gpu") as gpu:
        config = write_config(tmp_path, pooled, gpu, database=urls)
        with running(config):
            wait_for(rows.exists, "the table is made")
            good = rows.insert(comfyui_job_id=gpu.submit(render_graph(frames=6, seconds=0.5)))
            bad = rows.insert(comfyui_job_id=gpu.submit(render_graph(Outcome.ERROR)))
            watching = start("watch", good, "--config", config)
            assert rows.wait(good, "completed")["output_path"]
            rows.wait(bad, "failed", "execution_error")
            said, errors = watching.communicate(timeout=30)
            assert f"{good} completed" in said, errors
        shown = reconciler("status", "--config", config)
    assert shown.returncode == 0, shown.stderr
    assert "completed" in shown.stdout
    endings = "select job_id from reconciler.events where to_status = %s"
    assert [e["job_id"] for e in rows.sql(endings, "completed")] == [good]
    assert [e["job_id"] for e in rows.sql(endings, "failed")] == [bad]


def look(url: str, direct_url: str | None = None) -> list[Finding]:
    database = {"url": url} | ({"direct_url": direct_url} if direct_url else {})
    return list(check_database(load(config=Path("/dev/null"), flags={"database": database})))


def of(findings: list[Finding], what: str) -> Finding:
    return next(finding for finding in findings if finding.what == what)


def test_doctor_says_that_a_pooler_is_between_and_what_that_means(
    database: str, pooled: str
) -> None:
    pooler = of(look(pooled), "pooler")
    assert pooler.level is Level.WARNING
    assert "polled" in pooler.detail
    assert "direct_url" in pooler.advice
    assert of(look(pooled, database), "pooler").level is Level.OK
    assert not [finding for finding in look(database) if finding.what == "pooler"]


def test_a_direct_url_that_leads_elsewhere_is_told(
    database: str, pooled: str, postgres_url: str
) -> None:
    pooler = of(look(pooled, postgres_url), "pooler")
    assert pooler.level is Level.FAILED
    assert "another database" in pooler.detail


def test_options_in_the_url_are_explained(pooled: str) -> None:
    finding = of(look(f"{pooled}?options=-csearch_path%3Dstudio"), "database")
    assert "options" in finding.advice
    assert "ALTER ROLE" in finding.advice
