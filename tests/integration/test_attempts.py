"""One row, several attempts: reopened, retried under the same prompt id or another, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.policy import StallPolicy
from tests.integration.reconciling import QUICK, Bench, error, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def reopen(bench: Bench, job: str, **columns: object) -> None:
    """As an application does that wants the job tried again."""
    values = {"status": "queued", **columns}
    assignments = ", ".join(f"{name} = %s" for name in values)
    bench.sql(
        f"update production_jobs set {assignments} where id::text = %s", *values.values(), job
    )


def test_a_stalled_prompt_that_is_given_another_chance_has_all_its_time(
    database: str, tmp_path: Path
) -> None:
    policy = replace(QUICK, stall=StallPolicy(startup_grace_s=0.0, base_s=5.0, per_frame_s=0.0))
    bench = Bench(database, tmp_path, policy=policy)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("update reconciler.prompts set running_since = now() - interval '1 hour'")
    bench.run_pass()
    assert bench.says(job) == ("failed", "stalled")
    reopen(bench, job)
    bench.passes(2)
    assert bench.says(job)[0] == "processing"
    bench.close()


def test_a_retry_by_tag_that_ended_before_we_looked(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    reopen(bench, job, comfyui_job_id=None)
    bench.run_pass()
    began = bench.clock.now() + 1.0
    bench.server.end(P2, success(bench.image("a.png")), job_id=job, created_at=began)
    bench.run_pass(search_history=True)
    bench.passes(2)
    assert bench.says(job) == ("completed", None)


def test_a_prompt_submitted_again_under_its_old_id_is_judged_by_its_new_run(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    bench.server.pending = [QueuedPrompt(P1, 2.0)]
    reopen(bench, job)
    bench.passes(2)
    assert bench.says(job)[0] == "queued"
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_second_run_under_the_old_id_that_has_ended_already(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    bench.server.end(P1, success(bench.image("a.png")))
    reopen(bench, job)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_completed_row_that_is_overwritten_needs_no_history_to_be_set_right(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(2)
    bench.server.forget(P1)
    reopen(bench, job)
    bench.passes(2)
    assert bench.says(job) == ("completed", None)


def test_retries_under_one_id_are_no_overwriting(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    for _ in range(4):
        bench.server.run(P1)
        bench.passes(2)
        assert bench.says(job)[0] == "processing"
        bench.server.end(P1, error())
        bench.passes(2)
        assert bench.says(job) == ("failed", "execution_error")
        reopen(bench, job)
    bench.server.run(P1)
    bench.passes(2)
    assert bench.says(job)[0] == "processing"


def test_another_prompt_in_an_open_row_is_another_attempt(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.end(P1, error())
    bench.server.run(P2)
    bench.sql("update production_jobs set comfyui_job_id = %s where id::text = %s", P2, job)
    bench.passes(2)
    assert bench.says(job) == ("processing", None), "the application replaced the prompt"
    bench.server.end(P2, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert bench.kinds(job).count("reopened") == 1


def test_a_follow_up_that_the_row_comes_to_name_is_the_same_attempt(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=job)]
    bench.run_pass()
    bench.sql("update production_jobs set comfyui_job_id = %s where id::text = %s", P2, job)
    bench.server.end(P1, error())
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")
    assert "reopened" not in bench.kinds(job)


def test_a_lost_row_that_is_reopened_again_and_again_is_left_alone(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    for _ in range(4):
        reopen(bench, job)
        bench.passes(4)
    assert bench.says(job)[0] == "queued", "set right once, then left alone"
    assert bench.kinds(job).count("warning") == 1


def test_a_new_row_under_a_deleted_ones_id_owes_it_nothing(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("delete from production_jobs")
    bench.run_pass()
    bench.server.end(P1, error())
    bench.sql(
        "insert into production_jobs (id, comfyui_job_id) overriding system value values (%s, %s)",
        job,
        P2,
    )
    bench.server.run(P2)
    bench.passes(2)
    assert bench.says(job) == ("processing", None)


def test_deleted_rows_are_told_of_once_and_not_followed(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("delete from production_jobs")
    bench.passes(3)
    assert bench.kinds(job)[-1] == "application"
    assert bench.kinds(job).count("application") == 1
    known = "select known_status from reconciler.job_state where job_id = %s"
    assert bench.sql(known, job)[0]["known_status"] not in ("queued", "processing")


def test_a_row_made_anew_takes_over_the_prompt_of_the_deleted_one(bench: Bench) -> None:
    bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("delete from production_jobs")
    again = bench.insert(comfyui_job_id=P1)
    bench.passes(2)
    assert bench.says(again) == ("processing", None)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(again) == ("completed", None)


def test_a_second_row_that_names_a_prompt_gets_its_verdict_when_the_first_has_its_own(
    bench: Bench,
) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(5)
    assert bench.says(first) == bench.says(second) == ("completed", None)


def test_a_prompt_that_was_seen_waiting_once_is_lost_and_not_never_submitted(bench: Bench) -> None:
    job = bench.insert()
    bench.server.pending = [QueuedPrompt(P1, 1.0, job_id=job)]
    bench.run_pass()
    bench.server.forget(P1)
    bench.passes(3)
    assert bench.says(job) == ("failed", "lost")


def test_a_late_success_is_completed_when_it_is_proven(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("gone.png")))
    (bench.root / "gone.png").unlink()
    bench.passes(2)
    assert bench.says(job) == ("failed", "missing_output")
    failed_at = bench.row(job)["completed_at"]
    bench.image("gone.png")
    for _ in range(3):
        bench.run_pass(search_history=True)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["completed_at"] > failed_at


def test_an_open_row_that_somebody_keeps_setting_is_set_right_once(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    for _ in range(5):
        reopen(bench, job, status="processing")
        bench.run_pass()
    assert bench.says(job)[0] == "processing"
    assert bench.kinds(job).count("status") == 1
    bench.server.run(P1)
    bench.run_pass()
    reopen(bench, job)
    bench.run_pass()
    assert bench.says(job)[0] == "processing", "something new is known: once more"


def test_progress_that_the_application_writes_stays(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1, progress=12)
    bench.server.run(P1, client_id="the application")
    bench.run_pass()
    assert bench.row(job)["progress"] == 12
    bench.sql("update production_jobs set progress = 37 where id::text = %s", job)
    bench.passes(2)
    assert bench.row(job)["progress"] == 37, "we have heard nothing that says otherwise"
    bench.server.running = [replace(bench.server.running[0], graph_nodes=2)]
    bench.live.node(P1, "1")
    bench.live.node(P1, "2")
    bench.run_pass()
    assert bench.row(job)["progress"] == 50
