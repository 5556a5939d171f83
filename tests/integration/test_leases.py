"""Leases in a real Postgres: who gets one, who keeps it, and what is refused without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.core.lease import UNKNOWN, Lease, LeaseTerms
from reconciler.errors import LeaseLost, ServerRefused
from reconciler.reconcile import remit as remits
from reconciler.reconcile.remit import Remit
from reconciler.store import open_store
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.connection import Connection
from reconciler.store.leases import LeaseStore, all_leases
from reconciler.store.records import Event
from tests.integration.reconciling import Bench, success
from tests.waiting import wait_for

P1 = "11111111-1111-4111-8111-111111111111"
P2 = "22222222-2222-4222-8222-222222222222"
TERMS = LeaseTerms(60.0)


@dataclass
class Agent:
    """An agent's connection and what it knows of itself."""

    connection: Connection
    identity: Identity
    agents: AgentStore
    leases: LeaseStore

    def guard_of(self, epochs: dict[str, int]) -> Callable[..., None]:
        return self.leases.guard(frozenset(Lease(name, e) for name, e in epochs.items()))

    def dies(self) -> None:
        """Its session ends; nothing is given back."""
        self.connection.close()


@pytest.fixture
def agent(database: str) -> Iterator[Callable[[str], Agent]]:
    open_store(database).close()
    made: list[Agent] = []

    def make(name: str) -> Agent:
        connection = Connection(database, connect_timeout_s=5.0, statement_timeout_s=5.0)
        agents, identity = AgentStore(connection), Identity(name, "0004", ["gpu"])
        made.append(
            Agent(connection, identity, agents, LeaseStore(connection, agents, identity, TERMS))
        )
        agents.note(identity)
        made[-1].leases.name(["gpu", UNKNOWN])
        return made[-1]

    yield make
    for each in made:
        each.connection.close()


def test_one_gets_it_and_keeps_it_as_long_as_it_renews(agent: Callable[[str], Agent]) -> None:
    one, two = agent("one"), agent("two")
    assert one.leases.acquire(["gpu", UNKNOWN]) == {"gpu": 1, UNKNOWN: 1}
    assert two.leases.acquire(["gpu", UNKNOWN]) == {}
    held = [Lease("gpu", 1), Lease(UNKNOWN, 1)]
    assert one.leases.renew(held, {"gpu": 100.0}, None) == {"gpu", UNKNOWN}
    assert one.leases.renew(held, {}, None) == {"gpu", UNKNOWN}
    looked = {lease.server: lease.looked_at for lease in all_leases(one.connection)}
    assert looked == {"gpu": 100.0, UNKNOWN: None}


def test_what_expired_is_taken_and_the_old_epoch_is_worth_nothing(
    agent: Callable[[str], Agent],
) -> None:
    one, two = agent("one"), agent("two")
    guard = one.guard_of(one.leases.acquire(["gpu"]))
    with one.connection.transaction() as cursor:
        guard(cursor)
        cursor.execute("select set_config('x.y', '', true)")
    expire(one.connection)
    with one.connection.transaction() as cursor:
        guard(cursor)  # nobody has taken it yet
    assert two.leases.acquire(["gpu"]) == {"gpu": 2}
    lost = pytest.raises(LeaseLost, match="another agent reconciles gpu")
    with lost, one.connection.transaction() as cursor:
        guard(cursor)
    assert one.leases.renew([Lease("gpu", 1)], {}, None) == set()


def test_a_dead_session_is_seen_at_once_and_a_living_one_is_not_robbed(
    agent: Callable[[str], Agent],
) -> None:
    one, two = agent("one"), agent("two")
    one.leases.acquire(["gpu"])
    assert two.leases.acquire(["gpu"]) == {}
    one.dies()
    wait_for(lambda: two.leases.acquire(["gpu"]) == {"gpu": 2}, "it is free")


def test_sessions_that_ended_with_postgres_are_no_sign_of_death(
    agent: Callable[[str], Agent],
) -> None:
    """After a restart of Postgres nobody's session is there: the first to come must wait."""
    one, two = agent("one"), agent("two")
    one.leases.acquire(["gpu"])
    with two.connection.transaction() as cursor:
        cursor.execute("update reconciler.leases set renewed_at = pg_postmaster_start_time()")
    one.dies()
    assert two.leases.acquire(["gpu"]) == {}


def test_a_change_under_way_is_finished_before_another_one_takes_over(
    agent: Callable[[str], Agent],
) -> None:
    one, two = agent("one"), agent("two")
    guard = one.guard_of(one.leases.acquire(["gpu"]))
    with one.connection.transaction() as cursor:
        guard(cursor)
        expire(two.connection)
        assert two.leases.acquire(["gpu"]) == {}
        assert one_renews(one) == {"gpu"}, "its renewal does not wait for its own change"
        expire(two.connection)
    assert two.leases.acquire(["gpu"]) == {"gpu": 2}


def one_renews(one: Agent) -> set[str]:
    """From another thread and connection, as the service does."""
    connection = Connection(one.connection.url, connect_timeout_s=5.0, statement_timeout_s=5.0)
    with closing(connection):
        agents = AgentStore(connection)
        store = LeaseStore(connection, agents, one.identity, TERMS)
        return store.renew([Lease("gpu", 1)], {}, None)


def test_what_is_given_back_is_free(agent: Callable[[str], Agent]) -> None:
    one, two = agent("one"), agent("two")
    one.leases.acquire(["gpu"])
    one.leases.release()
    one.agents.forget(one.identity)
    assert two.leases.acquire(["gpu"]) == {"gpu": 2}
    assert [each.name for each in two.agents.all()] == ["two"]


def test_a_dead_predecessor_is_forgotten(agent: Callable[[str], Agent]) -> None:
    agent("one").dies()
    other = agent("other")
    again = agent("one")
    wait_for(lambda: forgets(again) == ["one", "other"], "it is forgotten")
    assert {each.id for each in other.agents.all()} == {again.identity.id, other.identity.id}


def forgets(agent: Agent) -> list[str]:
    agent.agents.forget_dead(agent.identity)
    return [each.name for each in agent.agents.all()]


def test_without_a_lease_nothing_is_written(agent: Callable[[str], Agent]) -> None:
    one = agent("one")
    with pytest.raises(LeaseLost), one.connection.transaction() as cursor:
        one.guard_of({})(cursor)


def test_many_that_want_one_lease_get_it_once(agent: Callable[[str], Agent]) -> None:
    agents = [agent(f"agent {number}") for number in range(6)]
    got: list[dict[str, int]] = []
    threads = [
        threading.Thread(target=lambda a=a: got.append(a.leases.acquire(["gpu"])))  # type: ignore[misc]
        for a in agents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, got)) == [0, 0, 0, 0, 0, 1]


def expire(connection: Connection) -> None:
    """Time goes by. From a session of its own, so that it waits for nobody."""
    other = Connection(connection.url, connect_timeout_s=5.0, statement_timeout_s=5.0)
    with closing(other), other.transaction() as cursor:
        cursor.execute("update reconciler.leases set expires_at = now()")


@contextmanager
def bench(url: str, folder: Path) -> Iterator[Bench]:
    made = Bench(url, folder)
    try:
        yield made
    finally:
        made.close()


def test_a_decision_drawn_under_an_old_lease_is_not_written(
    database: str, tmp_path: Path, agent: Callable[[str], Agent]
) -> None:
    """Frozen between decision and write: another agent has the server by then."""
    one, two = agent("one"), agent("two")
    with bench(database, tmp_path) as stage:
        job = stage.insert(comfyui_job_id=P1)
        stage.server.run(P1)
        epochs = one.leases.acquire(["gpu"])
        stage.store.connection.guard = one.guard_of(epochs)
        stage.run_pass()
        stage.server.end(P1, success(stage.image("a.png")))
        stage.run_pass()
        stage.settle()
        decide = stage.reconciler._decide

        def frozen(record: object) -> object:
            decision = decide(record)  # type: ignore[arg-type]
            expire(two.connection)
            two.leases.acquire(["gpu"])
            return decision

        stage.reconciler._decide = frozen  # type: ignore[method-assign, assignment]
        before = stage.sql("select * from reconciler.events"), stage.row(job)
        with pytest.raises(LeaseLost):
            stage.passes(3)
        assert (stage.sql("select * from reconciler.events"), stage.row(job)) == before
        told = {row["agent"] for row in before[0]}
        assert told == {one.identity.id}, "the story says which agent told it"


def test_a_row_of_no_known_server_counts_looks_only_when_all_have_looked(
    database: str,
    tmp_path: Path,
    agent: Callable[[str], Agent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remits, "CLOCKS_S", 0.0)
    far = agent("far")
    far.leases.name(["far"])
    far.leases.acquire(["far"])
    with bench(database, tmp_path) as stage:
        stage.insert(comfyui_job_id=P1)
        remit: Remit = stage.gatherer.remit

        def look(looked_at: float | None) -> int:
            held = [Lease("far", 1)]
            far.leases.renew(held, {} if looked_at is None else {"far": looked_at}, None)
            now = stage.clock.now()
            remit.take(all_leases(stage.store.connection), {"gpu"}, unknown=True, now=now)
            stage.run_pass()
            return int(
                stage.sql("select missing_looks from reconciler.prompts")[0]["missing_looks"]
            )

        assert [look(None), look(None)] == [0, 0], "the other agent has not looked yet"
        assert look(stage.clock.now()) == 1
        assert look(None) == 1, "it has not looked again"
        assert look(stage.clock.now()) == 2


def test_who_has_no_server_goes_by_the_looks_of_others(
    database: str,
    tmp_path: Path,
    agent: Callable[[str], Agent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two agents that start at one moment may get a lease each: one the server, one the others."""
    monkeypatch.setattr(remits, "CLOCKS_S", 0.0)
    far = agent("far")
    far.leases.acquire(["gpu"])
    stage = Bench(database, tmp_path, names=())
    with closing(stage):
        job, remit = stage.insert(comfyui_job_id=P1), stage.gatherer.remit

        def look() -> tuple[str, str | None]:
            now = stage.clock.now()
            far.leases.renew([Lease("gpu", 1)], {"gpu": now}, None)
            remit.take(all_leases(stage.store.connection), set(), unknown=True, now=now)
            stage.run_pass()
            return stage.says(job)

        assert look() == ("queued", None)
        stage.sql("update reconciler.prompts set ever_seen = true")
        wait_for(lambda: look() == ("failed", "lost"), "it is lost")


def test_a_row_of_no_known_server_is_not_ended_by_the_silence_of_ours_alone(
    database: str, tmp_path: Path, agent: Callable[[str], Agent]
) -> None:
    """Whoever has the lease for such jobs may have one server that is down for hours: an
    application that submits to another agent's server must not be told so."""
    far = agent("far")
    far.leases.name(["far"])
    far.leases.acquire(["far"])
    with bench(database, tmp_path) as stage:
        stage.server.failing = ServerRefused("down")
        stage.passes(1)
        (server,) = stage.gatherer.servers.values()
        server.record.unreachable_since = stage.clock.now() - 7200.0
        job, remit = stage.insert(comfyui_job_id=P1), stage.gatherer.remit

        def look() -> tuple[str, str | None]:
            leases, now = all_leases(stage.store.connection), stage.clock.now()
            remit.take(leases, {"gpu"}, unknown=True, now=now)
            stage.passes(2)
            return stage.says(job)

        assert look() == ("queued", None), "another agent's server may know it"
        stage.sql("delete from reconciler.leases where server = 'far'")
        assert look() == ("failed", "server_down")


def test_a_retry_elsewhere_is_a_new_attempt_also_where_nobody_has_the_old_server(
    database: str, tmp_path: Path, agent: Callable[[str], Agent]
) -> None:
    far = agent("far")
    far.leases.name(["far"])
    far.leases.acquire(["far"])
    with bench(database, tmp_path) as stage:
        job, remit = stage.insert(comfyui_job_id=P1), stage.gatherer.remit
        stage.passes(1)
        stage.sql("update reconciler.prompts set server = 'far', ever_seen = true")
        stage.sql("update production_jobs set comfyui_job_id = %s", P2)
        stage.server.run(P2)

        def attempts() -> list[tuple[str, int]]:
            leases, now = all_leases(stage.store.connection), stage.clock.now()
            remit.take(leases, {"gpu"}, unknown=True, now=now)
            stage.passes(2)
            found = stage.sql("select prompt_id, attempt from reconciler.prompts order by 1")
            return [(row["prompt_id"], row["attempt"]) for row in found]

        assert attempts() == [(P1, 1)], "its own agent begins the attempt"
        far.leases.release()
        assert attempts() == [(P1, 1), (P2, 2)], "nobody else would"
        assert stage.says(job) == ("processing", None)


def test_a_row_that_names_a_server_which_nobody_reconciles_says_so(
    database: str, tmp_path: Path
) -> None:
    with bench(database, tmp_path) as stage:
        job = stage.insert(comfyui_job_id=P1)
        read = stage.store.jobs.open_jobs

        def named(**how: float) -> object:
            records = read(**how)  # type: ignore[arg-type]
            for record in records:
                record.row_server = "gpu9"
            return records

        stage.store.jobs.open_jobs = named  # type: ignore[method-assign, assignment]
        stage.server.run(P1)
        stage.passes(3)
        assert stage.says(job) == ("queued", None), "nobody is asked but the one that is named"
        notes = [e.event for e in stage.store.jobs.story(job) if e.event.kind == "note"]
        assert [note.reason for note in notes] == [
            "its row names server 'gpu9', which nobody reconciles: nobody is asked"
        ]
        assert isinstance(notes[0], Event)
