"""Agents that die, freeze, stop or lose the network: another goes on, and nothing stale is written.

Every agent is a real process. Times are figures; what is asserted is what the tables say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.agents_stage import TAKEOVER_S, Agents, freeze, terminate, thaw
from tests.faults.conftest import Figure
from tests.faults.proxy import postgres_proxy, proxied_url
from tests.faults.storage_stage import hanging
from tests.integration.running import Running, running
from tests.waiting import wait_for


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output") as simulator:
        yield simulator


@pytest.fixture
def agents(database: str, tmp_path: Path, gpu: Simulator) -> Agents:
    return Agents(database, tmp_path, gpu)


def since(began: float) -> str:
    return f"{time.monotonic() - began:.2f} s"


def test_a_killed_agent_has_a_successor_at_once(
    agents: Agents, gpu: Simulator, figure: Figure
) -> None:
    with agents.agent("first") as first, agents.agent("second") as second:
        agents.wait_for_holder("first")
        assert b"standing by" in second.log.read_bytes()
        job = agents.submit(gpu, seconds=1.0)
        agents.rows.wait(job, "processing")
        began = time.monotonic()
        first.kill()
        epoch = agents.wait_for_holder("second")
        taken = since(began)
        agents.rows.wait(job, "completed")
        figure(f"kill -9 beside a standby: taken over after {taken}, by the session's lock")
    assert epoch == 2
    assert agents.rows.sql("select kind from reconciler.events where kind = 'seen'") != []


@pytest.mark.usefixtures("only_long")
def test_a_restarted_agent_need_not_wait_for_its_own_lease(agents: Agents, figure: Figure) -> None:
    with agents.agent("first") as first:
        agents.wait_for_holder("first")
        first.kill()
        began = time.monotonic()
        with agents.agent("first"):
            wait_for(lambda: agents.holder() == ("first", 2), "it holds the server again")
            figure(f"kill -9 and a restart: reconciling again after {since(began)}, start included")


@pytest.mark.usefixtures("only_long")
def test_behind_a_pooler_a_dead_agents_lease_expires(agents: Agents, figure: Figure) -> None:
    with agents.agent("first") as first, agents.agent("second"):
        agents.wait_for_holder("first")
        freeze(first)  # so that it says nothing more; its session still holds its lock
        agents.rows.sql("update reconciler.agents set lock_key = null")
        began = time.monotonic()
        first.kill()
        agents.wait_for_holder("second")
        figure(
            f"kill -9 behind a transaction pooler: taken over after {since(began)},"
            f" takeover_s {TAKEOVER_S:g}"
        )


@pytest.mark.usefixtures("only_long")
def test_a_clean_stop_hands_over_at_once(agents: Agents, gpu: Simulator, figure: Figure) -> None:
    with agents.agent("first") as first, agents.agent("second"):
        agents.wait_for_holder("first")
        job = agents.submit(gpu, seconds=2.0)
        agents.rows.wait(job, "processing")
        began = time.monotonic()
        terminate(first)
        agents.wait_for_holder("second")
        figure(f"SIGTERM: the standby has the server after {since(began)}")
        agents.rows.wait(job, "completed")
        assert first.process.wait(20.0) == 0


def test_a_frozen_agent_that_wakes_up_writes_nothing_stale(
    agents: Agents, gpu: Simulator, figure: Figure, long: bool
) -> None:
    with agents.agent("first") as first, agents.agent("second") as second:
        awake, asleep = ("first", first), ("second", second)
        agents.wait_for_holder("first")
        for number in range(6 if long else 1):
            jobs = [agents.submit(gpu, seconds=1.0) for _ in range(3)]
            agents.rows.wait(jobs[0], "processing")
            began = time.monotonic()
            freeze(awake[1])
            agents.wait_for_holder(asleep[0])
            figure(f"SIGSTOP: taken over after {since(began)}, takeover_s {TAKEOVER_S:g}")
            thaw(awake[1])
            for job in jobs:
                agents.rows.wait(job, "completed")
            _wait_until_noticed(awake[1], times=number // 2 + 1)
            assert agents.stale(awake[0]) == []
            awake, asleep = asleep, awake
    doubled = agents.rows.sql(
        "select job_id from reconciler.events where to_status = 'completed' and kind = 'status'"
        " group by job_id having count(*) > 1"
    )
    assert doubled == []


#: The next completion waits inside the transaction of whoever writes it.
_GATE = """
create function wait_at_gate() returns trigger language plpgsql as $$
begin
    if new.status = 'completed' then perform pg_advisory_xact_lock_shared(4711); end if;
    return new;
end $$;
create trigger gate before update on production_jobs
    for each row execute function wait_at_gate();
"""
_AT_GATE = "select pid from pg_locks where locktype = 'advisory' and objid = 4711 and not granted"


@contextmanager
def gate(agents: Agents) -> Iterator[Callable[[], None]]:
    """Shut within; yields what opens it."""
    with closing(psycopg2.connect(agents.rows.url)) as raw, raw.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(4711)")
        yield raw.commit


def test_an_agent_frozen_in_an_open_transaction_holds_up_nobody(
    agents: Agents, gpu: Simulator, figure: Figure
) -> None:
    with agents.agent("first") as first, agents.agent("second"):
        agents.wait_for_holder("first")
        agents.rows.sql(_GATE)
        with gate(agents) as opened:
            job = agents.submit(gpu)
            wait_for(lambda: agents.rows.sql(_AT_GATE), "the verdict waits in its transaction")
            freeze(first)
            began = time.monotonic()
            opened()
        agents.wait_for_holder("second")
        figure(f"SIGSTOP in an open transaction: taken over after {since(began)}")
        agents.rows.wait(job, "completed")
        thaw(first)
        _wait_until_noticed(first)
        assert agents.stale("first") == []
    story = agents.rows.sql("select agent from reconciler.events where to_status = 'completed'")
    assert len(story) == 1


def test_an_agent_that_is_cut_off_loses_its_servers_and_gets_them_back(
    agents: Agents, gpu: Simulator, figure: Figure
) -> None:
    with postgres_proxy(agents.rows.url) as proxy:
        way = proxied_url(agents.rows.url, proxy.port)
        with agents.agent("first", way) as first:
            agents.wait_for_holder("first")
            with agents.agent("second") as second:
                proxy.hold()
                began = time.monotonic()
                agents.wait_for_holder("second")
                figure(f"network held: taken over after {since(began)}")
                job = agents.submit(gpu, seconds=0.5)
                agents.rows.wait(job, "completed")
                proxy.cut()
                proxy.release()
                _wait_until_noticed(first)
                assert agents.stale("first") == []
                assert second.end() == 0
            began = time.monotonic()
            agents.wait_for_holder("first")
            figure(f"and back, when the other one had stopped, after {since(began)}")
            agents.rows.wait(agents.submit(gpu, seconds=0.2), "completed")


@pytest.mark.usefixtures("only_long")
def test_a_network_that_is_away_for_a_moment_costs_nothing(agents: Agents, gpu: Simulator) -> None:
    proxy = postgres_proxy(agents.rows.url)
    with proxy, agents.agent("first", proxied_url(agents.rows.url, proxy.port)):
        epoch = agents.wait_for_holder("first")
        job = agents.submit(gpu, seconds=1.0)
        agents.rows.wait(job, "processing")
        proxy.cut()
        agents.rows.wait(job, "completed")
        assert agents.holder() == ("first", epoch)


def test_jobs_of_no_known_server_are_found_by_the_agent_that_has_them(
    database: str, tmp_path: Path, figure: Figure
) -> None:
    with Simulator(tmp_path / "one") as one, Simulator(tmp_path / "two") as two:
        near, far = Agents(database, tmp_path, one), Agents(database, tmp_path, two)
        _rename(far.config("far"), "gpu1", "gpu2")
        with near.agent("near"):
            near.wait_for_holder("near")
            near.wait_for_holder("near", "*")
            with running(tmp_path / "far" / "reconciler.yaml"):
                near.wait_for_holder("far", "gpu2")
                began = time.monotonic()
                job = far.submit(two, seconds=0.5)
                tagged = near.rows.insert()
                two.submit(render_graph(frames=6, seconds=0.5), job_id=tagged)
                failing = far.submit(two, Outcome.ERROR)
                near.rows.wait(job, "completed")
                near.rows.wait(tagged, "completed")
                near.rows.wait(failing, "failed", "execution_error")
                figure(f"three prompts on another agent's server: right after {since(began)}")
    told = near.rows.sql(
        "select distinct a.name from reconciler.events e join reconciler.agents a on a.id = e.agent"
        " where e.to_status in ('completed', 'failed')"
    )
    assert told == []  # clean stops: both are forgotten
    servers = near.rows.sql("select distinct server from reconciler.job_state")
    assert servers == [{"server": "gpu2"}]


def test_a_share_that_hangs_when_its_server_is_taken_holds_up_no_other(
    database: str, tmp_path: Path
) -> None:
    with (
        Simulator(tmp_path / "one") as one,
        Simulator(tmp_path / "two") as two,
        ExitStack() as fault,
    ):
        agents = Agents(database, tmp_path, one, two)
        config = agents.config("first")
        try:
            fault.enter_context(hanging(tmp_path / "two"))
        except OSError as error:
            pytest.skip(f"this machine lets us mount no file system of our own: {error}")
        with running(config), fault:
            agents.rows.wait(agents.submit(one, seconds=0.2), "completed")


def _rename(config: Path, old: str, new: str) -> None:
    config.write_text(config.read_text().replace(f'"{old}"', f'"{new}"'))


def _wait_until_noticed(process: Running, times: int = 1) -> None:
    """Until it has said so often that it has lost its server."""
    words = b"another agent reconciles these servers now"
    wait_for(lambda: process.log.read_bytes().count(words) >= times, "it has noticed")
