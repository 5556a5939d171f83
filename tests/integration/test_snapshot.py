"""Passes with the node pack's snapshot: ends that nothing else tells, dead workers, progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt, RunningState
from reconciler.core.evidence import EndKind, Place
from reconciler.core.policy import StallPolicy
from reconciler.errors import ServerAnswer, ServerTimeout
from tests.integration.packed_bench import P1, P2, bench_of, note, prompt, raising, run, state
from tests.integration.reconciling import QUICK, Bench, success


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = bench_of(database, tmp_path)
    yield bench
    bench.close()


# What ended


def test_a_prompt_that_was_deleted_from_the_queue_is_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    note(bench, P1, EndKind.REMOVED)
    bench.run_pass()
    assert bench.says(job)[0] == "cancelled"
    assert prompt(bench)["ending"]["source"] == "snapshot"


@pytest.mark.parametrize(
    ("kind", "failure"),
    [(EndKind.ERROR, "execution_error"), (EndKind.INTERRUPTED, "interrupted")],
)
def test_an_end_whose_history_was_cleared_is_told_by_the_snapshot(
    bench: Bench, kind: EndKind, failure: str
) -> None:
    job = run(bench)
    note(bench, P1, kind)
    bench.run_pass()
    assert bench.says(job) == ("failed", failure)


def test_where_history_tells_more_it_has_the_word(bench: Bench) -> None:
    job = run(bench)
    note(bench, P1, EndKind.ERROR)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes()
    assert bench.says(job) == ("completed", None)


def test_an_answer_that_did_not_come_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run(bench)
    note(bench, P1, EndKind.ERROR)
    with monkeypatch.context() as patch:
        patch.setattr(bench.server, "ending", raising(ServerTimeout("slow")))
        bench.run_pass()
    assert bench.says(job) == ("processing", None)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes()
    assert bench.says(job) == ("completed", None)


def test_an_entry_of_history_that_cannot_be_read_is_not_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run(bench)
    note(bench, P1, EndKind.ERROR)
    monkeypatch.setattr(bench.server, "ending", raising(ServerAnswer("status 500")))
    bench.run_pass()
    assert bench.says(job) == ("failed", "execution_error")


def test_a_success_without_files_is_lost_no_sooner_than_any_other(bench: Bench) -> None:
    job = run(bench)
    note(bench, P1, EndKind.SUCCESS)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    assert "the node pack told that it ended: success" in state(bench, job)["reason"]
    bench.run_pass()
    assert bench.says(job) == ("failed", "lost")
    assert "the node pack told that it ended: success" in bench.row(job)["error"]
    assert bench.store.jobs.story(job)[-1].event.evidence["noted"] == "success"


def test_a_success_that_history_shows_later_is_a_late_one(bench: Bench) -> None:
    job = run(bench)
    note(bench, P1, EndKind.SUCCESS)
    bench.passes(2)
    assert bench.says(job) == ("failed", "lost")
    bench.server.end(P1, success(bench.image("a.png")))
    bench.run_pass(search_history=True)
    bench.run_pass(search_history=True)
    assert bench.says(job) == ("completed", None)


def test_a_prompt_that_came_and_went_between_two_looks_is_found_by_its_tag(bench: Bench) -> None:
    job = bench.insert()
    bench.run_pass()
    note(bench, P1, EndKind.SUCCESS, job_id=job)
    began = bench.clock.now() + 0.5
    bench.server.end(P1, success(bench.image("a.png")), created_at=began)
    bench.passes()
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["comfyui_job_id"] == P1


def test_a_prompt_of_another_database_with_the_same_id_is_left_alone(bench: Bench) -> None:
    job = bench.insert()
    note(bench, P1, EndKind.REMOVED, job_id=job, at=bench.clock.now() - 600.0)
    bench.passes()
    assert bench.says(job) == ("queued", None)


def test_an_id_that_runs_again_has_not_ended(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    note(bench, P1, EndKind.REMOVED)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    bench.run_pass()
    assert bench.says(job) == ("processing", None), "missed once, and not cancelled"


def test_what_the_second_look_hears_counts(bench: Bench) -> None:
    job = run(bench)
    bench.server.forget(P1)
    bench.run_pass()

    def first_look() -> None:
        bench.server.before_look = lambda: note(bench, P1, EndKind.REMOVED)

    bench.server.before_look = first_look
    bench.run_pass()
    assert bench.says(job)[0] == "cancelled"


def test_what_the_first_look_heard_is_not_lost_with_the_pass(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = run(bench)
    note(bench, P1, EndKind.REMOVED)
    with monkeypatch.context() as patch:
        patch.setattr(bench.gatherer, "link", raising(RuntimeError("the database is gone")))
        with pytest.raises(RuntimeError):
            bench.run_pass()
    bench.run_pass()
    assert bench.says(job)[0] == "cancelled"


# What history need not be asked for


def test_history_is_not_searched_where_the_pack_tells_all(bench: Bench) -> None:
    bench.insert()
    for _ in range(3):
        bench.run_pass(search_history=True)
    assert "recent" not in bench.server.asked


def test_history_is_searched_where_the_pack_forgot_something(bench: Bench) -> None:
    job = bench.insert()
    bench.run_pass()
    began = bench.clock.now() + 0.5
    bench.server.end(P1, success(bench.image("a.png")), job_id=job, created_at=began)
    bench.server.complete = False
    bench.run_pass()
    bench.server.complete = True
    bench.passes()
    assert bench.server.asked.count("recent") == 1
    assert bench.says(job) == ("completed", None)


def test_history_is_searched_again_where_the_pack_is_gone(bench: Bench) -> None:
    bench.insert()
    bench.run_pass(search_history=True)
    bench.server.boot_id = None
    bench.run_pass(search_history=True)
    assert bench.server.asked.count("recent") == 1


# The worker


@pytest.mark.parametrize("look_at", [None, {"gpu"}])
def test_a_dead_worker_is_seen_within_one_pass(bench: Bench, look_at: set[str] | None) -> None:
    job = run(bench)
    bench.server.worker_alive = False
    bench.run_pass(look_at=look_at)
    assert bench.says(job) == ("failed", "worker_dead")
    assert bench.sql("select worker_dead_since from reconciler.servers")[0]["worker_dead_since"]


def test_one_that_died_before_the_reconciler_came_up_is_seen_too(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.server.worker_alive = False
    bench.run_pass()
    assert bench.says(job) == ("failed", "worker_dead")


def test_a_worker_that_is_alive_at_the_second_look_is_believed(bench: Bench) -> None:
    job = run(bench)
    alive = iter([False, True])

    def tell() -> None:
        bench.server.worker_alive = next(alive)

    bench.server.before_look = tell
    bench.run_pass()
    assert bench.says(job) == ("processing", None)


def test_what_waits_behind_it_waits_on_and_says_why(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P2)
    bench.server.run(P1)
    bench.server.pending = [QueuedPrompt(P2, 2.0)]
    bench.run_pass()
    bench.server.worker_alive = False
    bench.run_pass()
    known = state(bench, job)
    assert (bench.says(job), known["queue_position"]) == (("queued", None), 1)
    assert "its worker thread is dead" in known["reason"]
    assert known["eta_s"] is None
    assert "its worker thread is dead" in bench.store.jobs.story(job)[-1].event.reason
    bench.server.boot_id, bench.server.worker_alive = "boot-b", True
    bench.server.running = []
    bench.run_pass()
    assert "dead" not in state(bench, job)["reason"]
    assert state(bench, job)["eta_s"] is not None


def test_a_worker_of_which_nothing_is_known_is_not_dead(bench: Bench) -> None:
    job = run(bench)
    bench.server.worker_alive = False
    bench.server.boot_id = None
    bench.run_pass()
    assert bench.says(job) == ("processing", None)


# Progress, and who would have heard it


def test_each_pass_shows_progress_with_the_socket_deaf(bench: Bench) -> None:
    job = run(bench, client_id="app", graph_nodes=4)
    for done, progress in ((1, 25), (2, 50), (2, 50), (3, 75)):
        bench.server.states = {P1: RunningState(9.0, 2.0, str(done), None, 0.0, 8.0, done)}
        bench.run_pass()
        assert bench.row(job)["progress"] == progress


def test_ages_are_counted_back_from_the_look(bench: Bench) -> None:
    run(bench, client_id="app")
    bench.server.states = {P1: RunningState(sign_age_s=240.0, nodes_done=0)}
    bench.run_pass()
    silent_s = (
        "select extract(epoch from now() - last_sign_at)::float8 as s from reconciler.prompts"
    )
    assert 239.0 < bench.sql(silent_s)[0]["s"] < 260.0


SILENT = replace(QUICK, stall=StallPolicy(startup_grace_s=0.0, no_progress_s=0.0))


@pytest.mark.parametrize(("boot_id", "says"), [("boot-a", "failed"), (None, "processing")])
def test_with_the_pack_the_silence_of_anybodys_prompt_counts(
    database: str, tmp_path: Path, boot_id: str | None, says: str
) -> None:
    bench = bench_of(database, tmp_path, SILENT)
    bench.server.boot_id = boot_id
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, client_id="app")
    bench.passes(2)
    assert bench.says(job)[0] == says
    bench.close()


def test_a_pack_that_is_gone_is_no_witness(bench: Bench) -> None:
    run(bench, client_id="app")
    server = bench.gatherer.servers["gpu"]
    since = server.told_since
    bench.run_pass()
    assert server.told_since == since is not None
    bench.server.boot_id = None
    bench.run_pass()
    assert server.told_since is None
    bench.server.boot_id = "boot-a"
    bench.run_pass()
    assert server.told_since is not None
    assert server.told_since > since
    assert server.find(P1)[0] is Place.RUNNING
