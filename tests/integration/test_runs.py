"""Runs are stored once each, learned from by every agent, and forgotten when they are old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, NodeRun, Source
from reconciler.core.kinds import Kind, PromptRun, Run, Sizes
from reconciler.reconcile.learning import REFRESH_S, Learner
from reconciler.retention.keeper import Keeper
from reconciler.retention.runs import Runs
from reconciler.retention.task import Keep
from reconciler.store import Store, open_store
from reconciler.store.retention import RetentionStore
from reconciler.store.runs import save_runs
from tests.integration.reconciling import Bench, success

KIND = Kind("w1", "video", "gpu", Sizes(24, 512, 512, 20))
NODES = (NodeRun("1", "KSampler", 9.0), NodeRun("2", "SaveVideo", 1.0))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    yield store
    store.close()


def a_run(prompt_id: str, ended_at: float, ran_s: float = 10.0, kind: Kind = KIND) -> PromptRun:
    run = Run(kind, ran_s, ended_at, NODES)
    return PromptRun(prompt_id, "1", 1, EndKind.SUCCESS, run, 2.5, ("7",), "manifest")


def save(store: Store, *runs: PromptRun) -> None:
    with store.connection.writing() as cursor:
        save_runs(cursor, runs)


def test_a_run_is_read_as_it_was_stored(store: Store) -> None:
    now = store.jobs.now()
    run = a_run("p1", now)
    save(store, run)
    (found,) = store.runs.of_job("1")
    assert found.run.ended_at == pytest.approx(now, abs=1e-3)
    assert replace(found, run=replace(found.run, ended_at=now)) == run
    assert store.runs.newest() == [found]
    assert store.runs.like(found) == []
    assert [each.prompt_id for each in store.runs.like(replace(found, prompt_id="p2"))] == ["p1"]


def test_what_is_told_twice_is_stored_once_and_more_adds_to_it(store: Store) -> None:
    now = store.jobs.now()
    run = a_run("p1", now)
    bare = replace(run, run=replace(run.run, nodes=()), nodes_by=None, cached=())
    save(store, bare)
    save(store, run)
    save(store, bare)
    (found,) = store.runs.of_job("1")
    assert (found.run.nodes, found.nodes_by) == (NODES, "manifest")
    later = a_run("p1", now + 60, ran_s=33.0)
    save(store, later)
    (found,) = store.runs.of_job("1")
    assert found.run.ran_s == 33.0, "the id was used again"


def test_strange_texts_are_stored(store: Store) -> None:
    kind = Kind("w\0", "vi\ud800deo", "gpu", Sizes())
    save(store, a_run("p\0", store.jobs.now(), kind=kind))
    assert len(store.runs.newest()) == 1


def test_another_agent_learns_it_a_minute_later_and_once(store: Store) -> None:
    other, now = Learner(store.runs), store.jobs.now()
    other.refresh(now)
    save(store, *[a_run(f"p{n}", now - n) for n in range(5)])
    other.refresh(now + REFRESH_S / 2)
    assert not other.lessons.knows(KIND)
    other.refresh(now + REFRESH_S)
    learned = other.lessons.expected(KIND, 100.0)
    assert learned.p50_s == pytest.approx(10.0, rel=0.1)
    other.refresh(now + 2 * REFRESH_S)
    assert other.lessons.expected(KIND, 100.0) is learned, "nothing was new"


def test_old_runs_go_and_of_new_ones_as_many_as_are_kept(store: Store) -> None:
    now, day_s = store.jobs.now(), 86_400.0
    save(store, *[a_run(f"p{n}", now - n * 30 * day_s) for n in range(8)])
    own = store.connection
    retention = RetentionStore(own, own, store.table)
    kept = Keeper([Runs(retention, Keep(days=100))], 3600.0)
    assert kept.run_round() == {"runs": 4}
    kept = Keeper([Runs(retention, Keep(days=None, count=2))], 3600.0)
    assert kept.run_round() == {"runs": 2}
    assert {run.prompt_id for run in store.runs.newest()} == {"p0", "p1"}


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def test_who_waits_is_told_when_it_begins_and_ends(bench: Bench) -> None:
    """Each by what such work took before, strangers' prompts among them."""
    with bench.store.connection.writing() as cursor:
        quick, slow = (Kind(w, None, "gpu") for w in ("quick", "slow"))
        now = bench.store.jobs.now()
        runs = [a_run(f"q{n}", now, 10.0, quick) for n in range(20)]
        save_runs(cursor, [*runs, *(a_run(f"s{n}", now, 100.0, slow) for n in range(20))])
    job = bench.insert(comfyui_job_id="mine")
    bench.server.pending = [
        QueuedPrompt("strangers", 1.0, workflow="slow"),
        QueuedPrompt("mine", 2.0, workflow="quick"),
    ]
    bench.passes(2)
    (state,) = bench.sql("select * from reconciler.job_state where job_id = %s", job)
    assert state["queue_position"] == 2
    assert state["wait_s"] == pytest.approx(100.0, rel=0.15)
    assert state["eta_s"] == pytest.approx(110.0, rel=0.15)
    assert state["eta_s"] < state["eta_high_s"] < 200.0


def test_only_what_ran_is_a_run(bench: Bench) -> None:
    """Neither a prompt that was removed, nor one that was answered from the cache, teaches."""
    removed, cached, real = (bench.insert(comfyui_job_id=p) for p in ("p1", "p2", "p3"))
    told = {"started_at": bench.clock.now() - 60.0, "ended_at": bench.clock.now()}
    files = success(bench.image("a.png")).files
    for prompt_id, kind, more in (
        ("p1", EndKind.REMOVED, {}),
        ("p2", EndKind.SUCCESS, {"files": files, "cached": True}),
        ("p3", EndKind.SUCCESS, {"files": files}),
    ):
        bench.server.run(prompt_id, workflow="w")
        bench.run_pass()
        ending = Ending(kind, Source.HISTORY, **told, **more)
        bench.server.end(prompt_id, ending, workflow="w")
        bench.passes(2)
    runs = {run["job_id"]: run for run in bench.sql("select * from reconciler.runs")}
    assert runs.keys() == {cached, real}, removed
    assert [runs[cached]["reused"], runs[real]["reused"]] == [True, False]
    assert [run.job_id for run in bench.store.runs.newest()] == [real]
    assert runs[real]["ran_s"] == pytest.approx(60.0)


def test_the_first_job_goes_by_the_frames_of_its_graph(bench: Bench) -> None:
    """A picture takes a minute and no forty, also where the row says nothing of frames."""
    told, drawn = (bench.insert(comfyui_job_id=id_) for id_ in ("told", "drawn"))
    bench.sql("update production_jobs set frames = 72 where id = %s", told)
    bench.server.pending = [
        QueuedPrompt("drawn", 1.0, workflow="new", sizes=Sizes(frames=1)),
        QueuedPrompt("told", 2.0, workflow="new", sizes=Sizes(frames=1)),
    ]
    bench.passes(2)
    states = bench.sql("select * from reconciler.job_state where job_id in (%s, %s)", told, drawn)
    eta_s, wait_s = ({s["job_id"]: s[of] for s in states} for of in ("eta_s", "wait_s"))
    assert eta_s[drawn] == pytest.approx((180 + 30) / 3, rel=0.01)
    # The row's word counts more.
    assert eta_s[told] - wait_s[told] > 10 * eta_s[drawn]
