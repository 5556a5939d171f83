"""Passes with the node pack's snapshot: restarts, dead workers, ends that nothing else tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.comfyui.values import EndedNote, QueuedPrompt, RunningState
from reconciler.core.evidence import EndKind, Place
from reconciler.core.policy import Policy, StallPolicy
from reconciler.errors import ServerAnswer, ServerTimeout
from reconciler.store.servers import SHARED_S
from tests.integration.manifests import manifest, output, write
from tests.integration.reconciling import QUICK, Bench, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
#: Only a proven restart can tell that a prompt is lost.
RESTART_ONLY = replace(QUICK, lost_confirmations=99, restart_grace_s=0.0)


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = bench_of(database, tmp_path)
    yield bench
    bench.close()


def bench_of(url: str, folder: Path, policy: Policy = QUICK, boot_id: str = "boot-a") -> Bench:
    """A bench whose server has the pack."""
    bench = Bench(url, folder, policy=policy)
    bench.server.boot_id = boot_id
    return bench


def note(bench: Bench, prompt_id: str, kind: EndKind, **more: Any) -> None:
    """The prompt ended, as the snapshot tells; nothing else does."""
    bench.server.forget(prompt_id)
    told = {"at": bench.clock.now() + 1.0} | more
    bench.server.ended.append(EndedNote(prompt_id, kind, **told))


def run(bench: Bench, prompt_id: str = P1, **more: Any) -> str:
    """A row whose prompt runs, as the reconciler has seen."""
    job = bench.insert(comfyui_job_id=prompt_id)
    bench.server.run(prompt_id, **more)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    return job


def rule(bench: Bench, job: str) -> str:
    return str(state(bench, job)["rule"])


def state(bench: Bench, job: str) -> dict[str, Any]:
    return bench.sql("select * from reconciler.job_state where job_id = %s", job)[0]


def prompt(bench: Bench, prompt_id: str = P1) -> dict[str, Any]:
    return bench.sql("select * from reconciler.prompts where prompt_id = %s", prompt_id)[0]


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


def raising(error: Exception) -> Any:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


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


# Restarts


def test_a_restart_is_the_proof_that_a_prompt_is_lost(database: str, tmp_path: Path) -> None:
    bench = bench_of(database, tmp_path, RESTART_ONLY)
    job = run(bench)
    bench.server.forget(P1)
    bench.server.boot_id = "boot-b"
    bench.run_pass()
    assert bench.says(job) == ("failed", "lost")
    assert "boot id changed" in bench.row(job)["error"]
    bench.close()


def test_its_grace_begins_with_the_first_look_at_the_new_process(
    database: str, tmp_path: Path
) -> None:
    bench = bench_of(database, tmp_path, replace(RESTART_ONLY, restart_grace_s=600.0))
    job = run(bench)
    bench.server.forget(P1)
    bench.run_pass()
    assert prompt(bench)["boot_changed_since"] is None
    bench.server.boot_id = "boot-b"
    bench.run_pass()
    since = prompt(bench)["boot_changed_since"]
    assert since is not None
    bench.passes(2)
    assert prompt(bench)["boot_changed_since"] == since
    assert bench.says(job) == ("processing", None)
    bench.server.run(P1)
    bench.run_pass()
    assert prompt(bench)["boot_changed_since"] is None
    assert prompt(bench)["boot_id"] == "boot-b"
    bench.close()


def test_a_restart_while_the_reconciler_was_down_is_proven_too(
    database: str, tmp_path: Path
) -> None:
    first = bench_of(database, tmp_path, RESTART_ONLY)
    job = run(first)
    first.close()
    second = bench_of(database, tmp_path, RESTART_ONLY, boot_id="boot-b")
    carry_over(second)
    second.run_pass()
    assert second.says(job) == ("failed", "lost")
    second.close()


def test_the_grace_of_a_restart_survives_ours(database: str, tmp_path: Path) -> None:
    patient = replace(RESTART_ONLY, restart_grace_s=600.0)
    first = bench_of(database, tmp_path, patient)
    job = run(first)
    first.server.forget(P1)
    first.server.boot_id = "boot-b"
    first.run_pass()
    first.sql("update reconciler.prompts set boot_changed_since = now() - interval '601 s'")
    first.close()
    second = bench_of(database, tmp_path, patient, boot_id="boot-b")
    carry_over(second)
    second.run_pass()
    assert second.says(job) == ("failed", "lost")
    second.close()


def carry_over(bench: Bench) -> None:
    """The server's record is the one that the reconciler before stored, as the service does it."""
    (record,) = bench.store.servers.all()
    server = bench.gatherer.servers["gpu"]
    record.move_to(server.record.url)
    server.record = record


@pytest.mark.parametrize(("before", "after"), [("boot-a", None), (None, "boot-b")])
def test_a_boot_id_that_is_not_known_proves_nothing(
    database: str, tmp_path: Path, before: str | None, after: str | None
) -> None:
    bench = bench_of(database, tmp_path, RESTART_ONLY)
    bench.server.boot_id = before
    job = run(bench)
    bench.server.forget(P1)
    bench.server.boot_id = after
    bench.passes()
    assert (bench.says(job), rule(bench, job)) == (("processing", None), "missing_briefly")
    bench.close()


def test_a_server_at_another_address_is_not_a_restarted_one(database: str, tmp_path: Path) -> None:
    bench = bench_of(database, tmp_path, RESTART_ONLY)
    job = run(bench)
    bench.gatherer.servers["gpu"].record.move_to("http://elsewhere.invalid")
    bench.server.forget(P1)
    bench.server.boot_id = "boot-b"
    bench.passes()
    assert bench.says(job) == ("processing", None)
    bench.close()


def test_a_server_that_does_not_tell_its_version_is_asked_for_its_queue(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.server, "info", raising(ServerAnswer("status 500")))
    job = run(bench)
    bench.server.boot_id = "boot-b"
    bench.run_pass()
    assert bench.says(job) == ("processing", None)


# Several servers behind one address


def in_turn(bench: Bench, *boots: str) -> None:
    """One pass for each of these processes; only the first has prompt P1."""
    first = bench.server.boot_id
    for boot_id in boots:
        bench.server.boot_id = boot_id
        bench.server.running = [QueuedPrompt(P1, 1.0)] if boot_id == first else []
        bench.run_pass()
    bench.server.boot_id = first


def test_nothing_is_concluded_from_several_servers_behind_one_address(
    database: str, tmp_path: Path
) -> None:
    at_once = replace(QUICK, lost_confirmations=1, server_down_timeout_s=0.0)
    bench = bench_of(
        database, tmp_path, replace(at_once, restart_grace_s=600.0, lost_grace_s=600.0)
    )
    job = run(bench)
    in_turn(bench, "boot-b", "boot-a")
    bench.reconciler.policy = replace(at_once, restart_grace_s=0.0)
    in_turn(bench, "boot-b", "boot-b", "boot-b", "boot-a", "boot-b")
    assert bench.says(job) == ("processing", None)
    assert rule(bench, job) == "unreachable"
    assert "several ComfyUI servers" in state(bench, job)["reason"]
    assert bench.server.asked.count("connect anew") >= 5
    bench.close()


def test_not_even_what_they_show(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    in_turn(bench, "boot-a", "boot-b", "boot-a")
    assert bench.says(job) == ("processing", None)
    bench.server.end(P1, success(bench.image("a.png")))
    other = bench.insert(comfyui_job_id=P2)
    bench.server.run(P2)
    bench.passes()
    assert (bench.says(job), bench.says(other)) == (("processing", None), ("queued", None))


def test_the_doubt_survives_our_restart_and_ends_after_an_hour(
    database: str, tmp_path: Path
) -> None:
    first = bench_of(database, tmp_path)
    job = run(first)
    in_turn(first, "boot-b", "boot-a")
    first.close()
    second = bench_of(database, tmp_path)
    carry_over(second)
    second.passes()
    assert rule(second, job) == "unreachable"
    record = second.gatherer.servers["gpu"].record
    record.boot_returned_at = second.clock.now() - SHARED_S
    second.server.run(P1)
    second.run_pass()
    assert (second.says(job), rule(second, job)) == (("processing", None), "running")
    second.close()


def test_what_ended_in_the_meantime_is_known_when_the_doubt_ends(bench: Bench) -> None:
    job = run(bench)
    in_turn(bench, "boot-b", "boot-a")
    note(bench, P1, EndKind.REMOVED)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    record = bench.gatherer.servers["gpu"].record
    record.boot_returned_at = bench.clock.now() - SHARED_S
    bench.run_pass()
    assert bench.says(job)[0] == "cancelled"


def test_manifests_end_its_jobs_all_the_same(bench: Bench) -> None:
    job = run(bench)
    in_turn(bench, "boot-b", "boot-a")
    bench.server.forget(P1)
    told = output(bench.root, bench.image("a.png"))
    write(bench.root, manifest(P1, at=bench.clock.now() + 1.0, outputs=[told]))
    bench.passes()
    assert bench.says(job) == ("completed", None)


def test_a_job_that_may_be_elsewhere_waits_for_the_doubtful_server_too(
    database: str, tmp_path: Path
) -> None:
    policy = replace(QUICK, never_seen_timeout_s=0.0)
    bench = Bench(database, tmp_path, policy=policy, names=("one", "two"))
    for boot_id in ("a", "b", "a"):
        bench.servers["one"].boot_id = boot_id
        bench.run_pass()
    job = bench.insert(comfyui_job_id=P1)
    bench.passes()
    assert bench.says(job) == ("queued", None)
    bench.close()


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
