"""Passes over a real table: what the row says after each thing that can happen to a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.core.policy import StallPolicy
from reconciler.errors import ServerRefused, ServerTimeout
from tests.integration.reconciling import QUICK, Bench, error, listed, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def test_from_queue_to_completed(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt("other", 1.0), QueuedPrompt(P1, 2.0)]
    bench.run_pass()
    assert bench.says(job) == ("queued", None)
    state = bench.sql("select * from reconciler.job_state where job_id = %s", job)[0]
    assert (state["queue_position"], state["stage"]) == (2, "pending")

    bench.server.run(P1)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)

    bench.server.end(P1, success(bench.image("a.png")))
    bench.run_pass()
    bench.run_pass()
    row = bench.row(job)
    assert (row["status"], row["progress"], row["error"]) == ("completed", 100, None)
    assert row["output_path"] == str(bench.root / "a.png")
    assert row["completed_at"] is not None
    assert bench.kinds(job)[:2] == ["seen", "linked"]
    assert bench.kinds(job)[-1] == "status"


def test_an_error_names_node_and_exception(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error("no such LoRA"))
    bench.run_pass()
    assert bench.row(job)["error"] == (
        "execution_error: node 3 (KSampler): RuntimeError: no such LoRA"
    )


def test_out_of_memory_and_interrupts_are_told_apart(bench: Bench) -> None:
    starved = bench.insert(comfyui_job_id=P1)
    stopped = bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, error(out_of_memory=True))
    bench.server.end(P2, Ending(EndKind.INTERRUPTED, Source.HISTORY))
    bench.run_pass()
    assert bench.says(starved) == ("failed", "out_of_memory")
    assert bench.says(stopped) == ("failed", "interrupted")


def test_lost_only_after_enough_clean_looks(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    bench.run_pass()
    assert bench.says(job) == ("processing", None), "one look is not enough"
    bench.run_pass()
    assert bench.says(job) == ("failed", "lost")


@pytest.mark.parametrize("trouble", [ServerRefused("refused"), ServerTimeout("slow")])
def test_an_unreachable_server_is_no_evidence(
    bench: Bench, trouble: ServerRefused | ServerTimeout
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.failing = trouble
    bench.passes(6)
    assert bench.says(job) == ("processing", None)
    record = bench.store.servers.all()[0]
    assert record.unreachable_since is not None
    bench.server.failing = None
    bench.run_pass()
    assert bench.store.servers.all()[0].unreachable_since is None


def test_history_failing_after_the_queue_is_no_evidence(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    ending = bench.server.ending

    def slow(prompt_id: str) -> None:
        ending(prompt_id)
        raise ServerTimeout("slow")

    bench.server.ending = slow  # type: ignore[method-assign]
    bench.passes(6)
    assert bench.says(job) == ("processing", None)


def test_queue_is_read_before_history(bench: Bench) -> None:
    bench.insert(comfyui_job_id=P1)
    bench.run_pass()
    asked = bench.server.asked
    assert asked.index("look") < asked.index(f"ending {P1}")


def test_questions_do_not_grow_with_waiting_jobs(bench: Bench) -> None:
    for number in range(30):
        bench.insert(comfyui_job_id=f"p{number}")
        bench.server.pending.append(QueuedPrompt(f"p{number}", float(number)))
    bench.run_pass()
    bench.server.asked.clear()
    bench.run_pass()
    assert bench.server.asked == ["look"]


def test_missing_output(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(listed("gone.png")))
    bench.passes(2)
    assert bench.says(job) == ("failed", "missing_output")


def test_damaged_output_is_confirmed_by_a_second_inspection(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    file = bench.image("a.png")
    path = bench.root / "a.png"
    path.write_bytes(path.read_bytes()[:-20])
    bench.server.end(P1, success(file))
    bench.run_pass()
    bench.run_pass()
    assert bench.says(job) == ("processing", None), "damaged once may be late data"
    bench.passes(2)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "a.png" in bench.row(job)["error"]
    assert bench.row(job)["output_path"] == str(path)


def test_damage_that_heals_is_no_failure(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    file = bench.image("a.png")
    path = bench.root / "a.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    bench.server.end(P1, success(file))
    bench.passes(2)
    bench.settle()
    path.write_bytes(whole)
    bench.passes(2)
    assert bench.says(job) == ("completed", None)


def test_late_success_lifts_a_verdict_and_says_so(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    bench.passes(2)
    assert bench.says(job) == ("failed", "lost")
    bench.server.end(P1, success(bench.image("late.png")))
    bench.run_pass(search_history=True)
    bench.run_pass(search_history=True)
    assert bench.says(job) == ("completed", None)
    assert bench.kinds(job)[-1] == "late_success"


def test_a_cancel_by_the_application_stays(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("update production_jobs set status = 'cancelled' where id::text = %s", job)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("cancelled", None)
    assert bench.kinds(job)[-1] == "application"


def test_a_cancel_between_look_and_write_wins(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.end(P1, error())
    bench.server.before_look = lambda: bench.sql(
        "update production_jobs set status = 'cancelled' where id::text = %s", job
    )
    report = bench.run_pass()
    assert report.conflicts == 1
    assert bench.says(job) == ("cancelled", None)


def test_a_row_with_a_new_prompt_is_a_new_attempt(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    bench.sql(
        "update production_jobs set status = 'queued', comfyui_job_id = %s where id::text = %s",
        P2,
        job,
    )
    bench.server.end(P2, success(bench.image("second.png")))
    bench.passes(2)
    assert bench.says(job) == ("completed", None)
    assert "reopened" in bench.kinds(job)
    assert bench.store.jobs.story(job)[-1].attempt == 2


def test_an_overwritten_row_is_set_right_once_then_left_alone(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()

    def overwrite() -> None:
        bench.sql("update production_jobs set status = 'processing' where id::text = %s", job)

    overwrite()
    bench.passes(2)
    assert bench.says(job)[0] == "failed", "set right once"
    overwrite()
    bench.passes(3)
    assert bench.says(job)[0] == "processing", "then left alone"
    assert bench.kinds(job).count("warning") == 1


def test_a_tagged_prompt_finds_its_row(bench: Bench) -> None:
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    row = bench.row(job)
    assert (row["status"], row["comfyui_job_id"]) == ("processing", P1)


def test_a_tagged_prompt_that_ended_before_we_looked(bench: Bench) -> None:
    job = bench.insert()
    began = bench.clock.now() + 1.0
    ending = success(bench.image("a.png"), started_at=began)
    bench.server.end(P1, ending, job_id=job, created_at=began)
    bench.run_pass(search_history=True)
    bench.run_pass()
    assert bench.says(job) == ("completed", None)


def test_an_old_prompt_with_the_same_serial_id_is_another_jobs(bench: Bench) -> None:
    job = bench.insert()
    began = bench.clock.now() - 86_400.0
    bench.server.end(P1, error(started_at=began), job_id=job, created_at=began)
    bench.run_pass(search_history=True)
    assert bench.row(job)["comfyui_job_id"] is None
    assert bench.says(job) == ("queued", None)


def test_a_cached_success_leaves_the_files_owner(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    file = bench.image("a.png")
    bench.server.end(P1, success(file))
    bench.server.end(P2, success(file, cached=True))
    bench.passes(2)
    assert bench.says(first) == bench.says(second) == ("completed", None)
    assert [o.path.name for o in bench.store.outputs.of_job(first)] == ["a.png"]
    assert bench.store.outputs.of_job(second) == []


def test_names_that_leave_the_output_directory_are_refused(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    bench.image("a.png")
    (bench.root / "a.png").rename(secret)
    up, link = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    (bench.root / "link.png").symlink_to(secret)
    bench.server.end(P1, success(replace(listed("secret.png"), subfolder="..")))
    bench.server.end(P2, success(listed("link.png")))
    bench.passes(2)
    assert bench.says(up) == bench.says(link) == ("failed", "invalid_output")
    assert bench.store.outputs.known([secret]) == {}


def test_an_output_directory_that_vanishes_is_no_missing_output(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    file = bench.image("a.png")
    away = bench.root.with_name("away")
    bench.root.rename(away)
    bench.server.end(P1, success(file))
    bench.passes(4)
    assert bench.says(job) == ("processing", None)
    away.rename(bench.root)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_an_empty_directory_in_its_place_is_not_the_same_storage(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.server.run(P2)
    bench.passes(2)
    assert bench.says(first) == ("completed", None)
    file = bench.image("b.png")
    away = bench.root.with_name("away")
    bench.root.rename(away)
    bench.root.mkdir()
    bench.server.end(P2, success(file))
    bench.passes(4)
    assert bench.says(second) == ("processing", None), "an unmounted directory is an empty one"
    bench.root.rmdir()
    away.rename(bench.root)
    bench.passes(3)
    assert bench.says(second) == ("completed", None)


def test_a_stalled_prompt_is_interrupted_if_told_so(database: str, tmp_path: Path) -> None:
    policy = replace(
        QUICK, stall=StallPolicy(startup_grace_s=0.0, base_s=0.0, per_frame_s=0.0, interrupt=True)
    )
    bench = Bench(database, tmp_path, policy=policy)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.passes(2)
    assert bench.says(job) == ("failed", "stalled")
    assert bench.server.interrupted == [P1]
    bench.close()


def test_a_second_look_saves_a_job_that_just_ended(database: str, tmp_path: Path) -> None:
    policy = replace(QUICK, stall=StallPolicy(startup_grace_s=0.0, base_s=0.0, per_frame_s=0.0))
    bench = Bench(database, tmp_path, policy=policy)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    ending = success(bench.image("a.png"))
    looks = iter([lambda: bench.server.run(P1), lambda: bench.server.end(P1, ending)])

    def next_look() -> None:
        next(looks, lambda: None)()

    bench.server.before_look = next_look
    bench.passes(3)
    assert "failed" not in [event.event.to_status for event in bench.store.jobs.story(job)]
    assert bench.says(job) == ("completed", None)
    bench.close()


def test_everything_is_remembered_by_the_next_process(database: str, tmp_path: Path) -> None:
    first = Bench(database, tmp_path)
    job = first.insert(comfyui_job_id=P1)
    first.server.end(P1, success(first.image("a.png")))
    first.run_pass()
    first.settle()
    first.close()

    second = Bench(database, tmp_path)  # its server has forgotten everything
    second.passes(2)
    assert second.says(job) == ("completed", None)
    assert not any(asked.startswith("ending") for asked in second.server.asked)
    second.close()


def test_hostile_words_reach_the_row_as_words(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    hostile = "'; drop table production_jobs; -- \x00 \ud800 %s {jobs}" + "x" * 10_000
    bench.server.end(P1, error(hostile))
    bench.run_pass()
    words = bench.row(job)["error"]
    assert "drop table" in words
    assert len(words) <= 4000
    assert "\x00" not in words


def test_a_status_that_is_none_of_ours_is_left_alone(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("alter table production_jobs drop constraint production_jobs_status_check")
    bench.sql("update production_jobs set status = 'archived' where id::text = %s", job)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("archived", None)


def test_the_job_is_found_on_whichever_server_has_it(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, names=("one", "two"))
    job = bench.insert(comfyui_job_id=P1)
    bench.servers["two"].run(P1)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    bench.servers["one"].failing = ServerRefused("down")
    bench.servers["two"].end(P1, success(bench.image("a.png", "two")))
    bench.passes(2)
    assert bench.row(job)["output_path"] == str(bench.roots["two"] / "a.png")
    bench.close()


def test_with_one_server_down_an_unknown_prompt_is_not_lost(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, names=("one", "two"))
    job = bench.insert(comfyui_job_id=P1, status="processing")
    bench.servers["one"].failing = ServerTimeout("slow")
    bench.passes(6)
    assert bench.says(job) == ("processing", None)
    bench.close()


def test_a_row_that_refuses_its_verdict_holds_up_no_other(database: str, tmp_path: Path) -> None:
    with closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as by:
        by.execute(
            "create table production_jobs (id serial primary key, comfyui_job_id text,"
            " status text default 'queued' check (status <> 'completed'), error text)"
        )
    bench = Bench(database, tmp_path)
    stubborn, other = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.server.end(P2, error())
    bench.passes(3)
    assert bench.says(other) == ("failed", "execution_error")
    assert bench.says(stubborn)[0] == "processing"
    bench.sql("alter table production_jobs drop constraint production_jobs_status_check")
    bench.run_pass()
    assert bench.says(stubborn) == ("completed", None)
    bench.close()


def test_a_row_of_strange_values_holds_up_no_other(database: str, tmp_path: Path) -> None:
    with closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as by:
        by.execute(
            "create table production_jobs (id serial primary key, comfyui_job_id text,"
            " status text default 'queued', error text, frames text)"
        )
    bench = Bench(database, tmp_path)
    odd = bench.insert(comfyui_job_id=P1, frames="many")
    other = bench.insert(comfyui_job_id=P2)
    bench.server.run(P1)
    bench.server.end(P2, error())
    bench.passes(2)
    assert bench.says(other) == ("failed", "execution_error")
    assert bench.says(odd)[0] == "queued"
    bench.close()
