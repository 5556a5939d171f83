"""What is asked of the servers, what their answers may mean, and what must not grow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.errors import ServerTimeout
from reconciler.reconcile import histories
from tests.integration.reconciling import QUICK, Bench, error, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def number_of_looks(bench: Bench) -> int:
    return bench.server.asked.count("look")


def test_hints_from_one_of_two_servers_add_nothing_to_the_story(
    database: str, tmp_path: Path
) -> None:
    policy = replace(QUICK, lost_grace_s=3600.0)
    bench = Bench(database, tmp_path, policy=policy, names=("one", "two"))
    job = bench.insert(comfyui_job_id=P1)
    bench.passes(2)
    story = bench.kinds(job)
    for _ in range(4):
        bench.run_pass(look_at={"one"})
        bench.run_pass()
    assert bench.kinds(job) == story
    bench.close()


def test_one_of_two_servers_that_falls_silent_is_no_evidence_of_absence(
    database: str, tmp_path: Path
) -> None:
    policy = replace(QUICK, never_seen_timeout_s=0.0, lost_confirmations=3)
    bench = Bench(database, tmp_path, policy=policy, names=("one", "two"))
    job = bench.insert(comfyui_job_id=P1)
    bench.passes(2)
    bench.servers["two"].failing = ServerTimeout("slow")
    bench.passes(6)
    assert bench.says(job) == ("queued", None)
    bench.close()


def test_one_second_look_serves_all_jobs(bench: Bench) -> None:
    jobs = [bench.insert(comfyui_job_id=f"p{n}") for n in range(8)]
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(8)]
    bench.run_pass()
    bench.server.pending = []
    bench.run_pass()
    before = number_of_looks(bench)
    bench.run_pass()
    assert {bench.says(job) for job in jobs} == {("failed", "lost")}
    assert number_of_looks(bench) - before == 2


def test_a_server_that_is_down_for_too_long_is_asked_twice_and_not_once_a_job(
    database: str, tmp_path: Path
) -> None:
    bench = Bench(database, tmp_path, policy=replace(QUICK, server_down_timeout_s=60.0))
    jobs = [bench.insert(comfyui_job_id=f"p{n}") for n in range(8)]
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(8)]
    bench.run_pass()
    bench.server.failing = ServerTimeout("slow")
    bench.run_pass()
    record = bench.gatherer.servers["gpu"].record
    record.unreachable_since = bench.clock.now() - 120.0
    bench.server.asked.clear()
    bench.run_pass()
    assert {bench.says(job) for job in jobs} == {("failed", "server_down")}
    assert len(bench.server.asked) == 2
    bench.close()


def test_a_follow_up_that_ended_while_nobody_looked_is_found(database: str, tmp_path: Path) -> None:
    first = Bench(database, tmp_path)
    job = first.insert(comfyui_job_id=P1)
    first.server.run(P1, job_id=job)
    first.run_pass()
    first.close()

    second = Bench(database, tmp_path)
    began = second.clock.now() + 1.0
    second.server.end(P1, success(second.image("a.png")), job_id=job, created_at=began)
    second.server.end(P2, error(), job_id=job, created_at=began)
    second.run_pass(search_history=True)
    second.passes(2)
    assert second.says(job) == ("failed", "execution_error"), "a batch is as good as its worst"
    second.close()


def test_what_was_missed_while_a_server_did_not_answer_is_searched_for(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.run_pass(search_history=True)
    bench.server.failing = ServerTimeout("slow")
    bench.run_pass()
    bench.server.failing = None
    bench.gatherer.servers["gpu"].record.answered_at = bench.clock.now() - 60.0
    began = bench.clock.now() + 1.0
    bench.server.end(P1, success(bench.image("a.png")), job_id=job, created_at=began)
    bench.server.end(P2, error(), job_id=job, created_at=began)
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")


def test_history_is_not_searched_where_nothing_can_have_been_missed(bench: Bench) -> None:
    bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass(search_history=True)
    bench.server.asked.clear()
    for _ in range(3):
        bench.run_pass(search_history=True)
    assert "recent" not in bench.server.asked


def test_verdicts_that_stand_cost_an_ordinary_pass_nothing(bench: Bench) -> None:
    for number in range(5):
        bench.insert(comfyui_job_id=f"p{number}")
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(5)]
    bench.run_pass()
    bench.server.pending = []
    bench.passes(3)
    assert bench.run_pass().judged == 0
    assert bench.run_pass(search_history=True).judged == 5


def test_late_successes_are_asked_for_a_few_at_a_time_and_all_in_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "PAGE_FROM", 1000)
    for number in range(50):
        bench.insert(comfyui_job_id=f"p{number}")
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(50)]
    bench.run_pass()
    bench.server.pending = []
    bench.passes(3)
    asked: set[str] = set()
    for _ in range(5):
        bench.server.asked.clear()
        bench.run_pass(search_history=True)
        questions = {a for a in bench.server.asked if a.startswith("ending")}
        assert len(questions) <= 20
        asked |= questions
    assert len(asked) == 50


def test_finished_jobs_are_not_read_to_find_the_open_ones(bench: Bench) -> None:
    bench.sql(
        "insert into production_jobs (status) select 'completed' from generate_series(1, 5000)"
    )
    bench.sql(
        "insert into reconciler.job_state (job_id, known_status)"
        " select id::text, 'completed' from production_jobs"
    )
    bench.insert(comfyui_job_id=P1)
    bench.sql("analyze reconciler.job_state")
    bench.sql("analyze production_jobs")
    bench.run_pass()
    count = "select seq_tup_read as n from pg_stat_user_tables where relname = %s"
    before = {name: bench.sql(count, name)[0]["n"] for name in ("job_state", "production_jobs")}
    bench.passes(5)
    bench.store.connection.close()  # its statistics are counted when it ends
    for name, number in before.items():
        assert bench.sql(count, name)[0]["n"] - number < 5000, name


def test_a_slow_history_is_asked_a_few_questions_between_two_looks(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, 3.0)
    monkeypatch.setattr(histories, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    jobs = [bench.insert(comfyui_job_id=f"p{n}") for n in range(6)]
    bench.server.running = [QueuedPrompt(f"p{n}", float(n)) for n in range(6)]
    bench.run_pass()
    bench.server.running = []
    for n in range(6):
        bench.server.end(f"p{n}", error())
    bench.run_pass()
    assert sorted(bench.says(job)[0] for job in jobs) == ["failed"] * 2 + ["processing"] * 4
    bench.passes(2)
    assert [bench.says(job) for job in jobs] == [("failed", "execution_error")] * 6
