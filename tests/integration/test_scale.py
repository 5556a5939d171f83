"""What a pass asks of Postgres and of the servers does not grow with the number of open jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest

from reconciler.reconcile.passes import PassReport
from reconciler.settings.jobs import JobsSettings
from tests.benchmarks.scale_stage import Stage, stage
from tests.integration.conftest import execute

SERVERS = 2


class Asked(NamedTuple):
    """Statements to Postgres and requests to the servers."""

    statements: int
    requests: int


def asked(on: Stage, **how: object) -> Asked:
    """What one pass asks."""
    cost = on.measure(**how)
    assert not cost.report.troubled
    return Asked(cost.statements, cost.requests)


def play(on: Stage) -> dict[str, Asked]:
    """A pass for each thing that can happen to all of them."""
    seen = {"first sight": asked(on), "nothing new": asked(on)}
    seen["rows only"] = asked(on, look_at=())
    for server in on.servers.values():
        server.step = 50
    seen["progress"] = asked(on)
    for server in on.servers.values():
        server.end(1)
    seen["an end on each server"] = asked(on)
    return seen


def test_statements_and_requests_are_as_many_for_a_thousand_jobs_as_for_ten(
    postgres_url: str, tmp_path: Path
) -> None:
    played = {}
    for jobs in (10, 1000):
        name = f"scale_{jobs}"
        execute(postgres_url, f"drop database if exists {name} with (force)")
        execute(postgres_url, f"create database {name}")
        url = postgres_url.rsplit("/", 1)[0] + f"/{name}"
        with stage(url, tmp_path / name, jobs, SERVERS, known=False) as on:
            played[jobs] = play(on)
        execute(postgres_url, f"drop database {name} with (force)")
    assert played[10] == played[1000]
    assert played[1000]["nothing new"].requests == SERVERS
    assert played[1000]["rows only"].requests == 0


def test_thousands_that_left_the_queues_cost_a_page_of_each_history(
    database: str, tmp_path: Path
) -> None:
    with stage(database, tmp_path, 1000, SERVERS) as on:
        on.measure()
        for server in on.servers.values():
            server.end(400)
        cost = on.measure()
        assert len([c for c in cost.report.changes if c.after == "failed"]) == 400 * SERVERS
        assert cost.requests == 2 * SERVERS


@pytest.fixture
def waiting(database: str, tmp_path: Path) -> Iterator[Stage]:
    """Jobs that wait, and are known to."""
    with stage(database, tmp_path, 20, SERVERS) as on:
        on.measure()
        on.measure()
        yield on


def one(on: Stage, statement: str) -> object:
    """One value, by somebody else's connection."""
    with closing(psycopg2.connect(on.url)) as raw, raw, raw.cursor() as cursor:
        cursor.execute(statement)
        (value,) = cursor.fetchone()  # type: ignore[misc]
        return value


def judged_by_the_table(on: Stage, monkeypatch: pytest.MonkeyPatch) -> tuple[int, PassReport]:
    """For how many jobs the whole table is asked in one pass."""
    calls = 0
    decide = on.reconciler._decide

    def counted(record: object) -> object:
        nonlocal calls
        calls += 1
        return decide(record)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(on.reconciler, "_decide", counted)
        report = on.measure().report
    return calls, report


def test_who_waits_as_before_is_not_judged_anew(
    waiting: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, report = judged_by_the_table(waiting, monkeypatch)
    assert calls == SERVERS, "those that run"
    assert report.judged == 20
    waits = next(d for d in report.decisions.values() if d.rule == "pending")
    assert waits.reason.startswith("number ")
    assert waits.position is not None


def test_who_has_moved_is_judged_anew(waiting: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    next(iter(waiting.servers.values())).end(1)
    calls, _ = judged_by_the_table(waiting, monkeypatch)
    assert calls == 10 + 1, "all of that server, and the one that runs on the other"


def test_a_limit_of_the_wait_is_kept(waiting: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.reconciler.policy = replace(waiting.reconciler.policy, queue_timeout_s=60.0)
    calls, report = judged_by_the_table(waiting, monkeypatch)
    assert calls > 20, "they have waited for an hour: each is judged, and again after another look"
    assert {c.after for c in report.changes} == {"failed"}


def test_a_dead_worker_is_told_to_all_that_wait(waiting: Stage) -> None:
    for server in waiting.servers.values():
        server.worker_alive = False
    waiting.measure()
    assert one(waiting, "select rule from reconciler.job_state where job_id = '20'") == "blocked"


def test_a_row_that_names_another_prompt_is_judged_anew(waiting: Stage) -> None:
    rename = "update production_jobs set comfyui_job_id = 'another' where id = 20 returning id"
    assert one(waiting, rename) == 20
    waiting.measure()
    assert one(waiting, "select attempt from reconciler.job_state where job_id = '20'") == 2


def test_progress_alone_is_written_as_often_as_allowed(
    waiting: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler = waiting.reconciler
    reconciler.progress_s = 10.0
    now = reconciler.clock.now()
    told = []
    for seconds in (0, 4, 8, 12, 16):
        monkeypatch.setattr(reconciler.clock, "now", lambda at=now + 100 + seconds: at)
        for server in waiting.servers.values():
            server.step += 15
        waiting.measure()
        told.append(one(waiting, "select progress from production_jobs where id = 1"))
    assert told[0] == told[1] == told[2] != told[3]
    assert told[3] == told[4]


def test_a_row_without_a_place_for_progress_is_not_written_for_it(
    database: str, tmp_path: Path
) -> None:
    mapping = JobsSettings.model_validate({"columns": {"progress": False}})
    with stage(database, tmp_path, 4, SERVERS, mapping=mapping) as on:
        on.measure()
        xmin = "select xmin::text from production_jobs where id = 1"
        before = one(on, xmin)
        for server in on.servers.values():
            server.step = 60
        on.measure()
        assert one(on, xmin) == before
        assert one(on, "select progress > 25 from reconciler.job_state where job_id = '1'")
