"""Postgres goes away, freezes, is slow, full or locked; the service goes on when it does."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.conftest import Figure
from tests.faults.postgres_faults import FAULTS, slow
from tests.faults.postgres_trial import World, survive, world
from tests.faults.proxy import Moment, postgres_proxy, proxied_url
from tests.integration.commands import joined, reconciler
from tests.integration.conftest import execute
from tests.integration.running import running, write_config
from tests.waiting import wait_for

#: Much like another one, and left to `make faults`.
SIMILAR = ("restarted", "refused", "cut again and again", "table locked", "serializable")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_rows_come_right_after(stage: World, fault: str, long: bool, figure: Figure) -> None:
    if fault in SIMILAR and not long:
        pytest.skip("much like another fault: in make faults")
    figure(survive(stage, FAULTS[fault](stage), 30.0 if long else 0.6))


@pytest.mark.parametrize("moment", Moment)
def test_a_commit_of_which_nobody_hears(
    stage: World, moment: Moment, long: bool, figure: Figure
) -> None:
    if not long:
        pytest.skip("the commit of the verdict stands for all: in make faults")
    before, began_s = stage.proxy.cuts, time.monotonic()
    stage.proxy.cut_commit(moment, b".events", times=6)
    jobs = [stage.job(), stage.job(Outcome.ERROR), stage.job()]
    for job in jobs:
        stage.gpu.wait_until_ended(job.prompt_id)
        stage.rows.wait(job.id, job.ending)
    right_s = time.monotonic() - began_s
    stage.proxy.cut_commit(moment, times=0)
    cuts = stage.proxy.cuts - before
    assert cuts > 1
    for job in jobs:
        stage.judge(job)
    figure(f"three jobs, cut at {cuts} commits in a row: right {right_s:.1f} s after they began")


@pytest.mark.parametrize("moment", Moment)
def test_the_commit_of_the_verdict(stage: World, moment: Moment, figure: Figure) -> None:
    before = stage.proxy.cuts
    stage.proxy.cut_commit(moment, b'"to_status": "completed"')
    job = stage.job()
    wait_for(lambda: stage.proxy.cuts == before + 1, "the connection is cut at its commit")
    said, over_s = stage.say(job), time.monotonic()
    stage.rows.wait(job.id, "completed")
    figure(f"the row then: {said}; right {time.monotonic() - over_s:.1f} s later")
    stage.judge(job)


_TRIGGER = """
    create table projects (id int primary key); insert into projects values (1);
    create function touch_project() returns trigger language plpgsql as $$ begin
        if new.metadata ? 'project' then perform from projects for update; end if;
        return new;
    end $$;
    create trigger touch before update on production_jobs for each row
        execute function touch_project()
"""


def test_a_lock_that_a_trigger_waits_for_holds_up_no_other_row(
    stage: World, figure: Figure
) -> None:
    execute(stage.rows.url, _TRIGGER)
    try:
        with closing(psycopg2.connect(stage.rows.url)) as other, other.cursor() as cursor:
            cursor.execute("select from projects for update")
            held, free = stage.job(metadata='{"project": 1}'), stage.job()
            stage.rows.wait(free.id, free.ending)
            said, over_s = stage.say(held, free), time.monotonic()
        stage.rows.wait(held.id, held.ending)
        figure(f"the rows while it is held: {said}; right {time.monotonic() - over_s:.1f} s after")
        stage.judge(held)
        stage.judge(free)
    finally:
        execute(stage.rows.url, "drop table projects; drop function touch_project cascade")


def right_while_slow(stage: World, seconds: float) -> str:
    """A job ends, and its row is set right, over a slow line."""
    job = stage.job(seconds=0.5)
    stage.begun(job)
    with slow(stage, seconds):
        stage.gpu.wait_until_ended(job.prompt_id)
        ended_s = time.monotonic()
        wait_for(lambda: stage.say(job) == job.ending, "the row is right", 900.0)
        right_s = time.monotonic() - ended_s
    stage.judge(job)
    return f"{seconds:g} s an answer: right {right_s:.1f} s after the job's end"


def test_answers_that_take_long(stage: World, figure: Figure) -> None:
    figure(right_while_slow(stage, 0.02))


def test_answers_that_take_five_seconds(
    servers_dir: Path, tmp_path: Path, long: bool, figure: Figure
) -> None:
    if not long:
        pytest.skip("takes minutes: in make faults")
    with world(servers_dir / "slow", tmp_path, {}) as as_shipped:
        figure(survive(as_shipped, slow(as_shipped, 5.0), 60.0))
    (tmp_path / "patient").mkdir()
    patient = {"takeover_s": 240.0}
    with world(servers_dir / "patient", tmp_path / "patient", {}, agent=patient) as trusting:
        figure("takeover_s 240, " + right_while_slow(trusting, 5.0))


def test_a_stop_and_a_command_do_not_wait_for_a_server_that_never_answers(
    database: str, tmp_path: Path, long: bool, figure: Figure
) -> None:
    if not long:
        pytest.skip("takes ten seconds: in make faults")
    with postgres_proxy(database) as proxy, Simulator(tmp_path / "gpu") as gpu:
        through = {"url": proxied_url(database, proxy.port), "connect_timeout_s": 1}
        config = write_config(tmp_path, through["url"], gpu, database=through)
        with running(config) as service:
            proxy.hold()
            began_s = time.monotonic()
            shown = reconciler("status", "--config", config)
            status_s = time.monotonic() - began_s
            assert shown.returncode == 3
            assert "timeout" in joined(shown.stderr)
            began_s = time.monotonic()
            assert service.end() == 0
            stop_s = time.monotonic() - began_s
        assert stop_s < 5.0
    figure(f"stopped {stop_s:.1f} s after SIGTERM; status said so after {status_s:.1f} s")
