"""What people ask for: to cancel, to forget, to look again, to accept as it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import metrics
from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.core.policy import StallPolicy
from reconciler.errors import ServerTimeout
from reconciler.outputs.inspection import Defect
from reconciler.reconcile.requests import PASS_OVER_S, Requests
from reconciler.store.deliveries import DeliveryStore
from reconciler.store.leases import LeaseRecord
from reconciler.store.requests import Action, Outcome, Request
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.integration.reconciling import QUICK, Bench, error, listed, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
P3 = "33333333-3333-4333-8333-333333333333"
INTERRUPTED = Ending(EndKind.INTERRUPTED, Source.HISTORY)


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def ask(bench: Bench, action: Action, *jobs: str) -> Request:
    (request,) = bench.store.requests.ask(action, jobs, "ana")
    return request


def answered(bench: Bench, request: Request) -> tuple[Outcome | None, str | None]:
    (now,) = bench.store.requests.some([request.id])
    return now.outcome, now.answer


def failed_with_a_picture(bench: Bench) -> str:
    """A job whose picture is damaged, and that failed for it."""
    job = bench.insert(comfyui_job_id=P1)
    picture = bench.image("a.png")
    whole = (bench.root / "a.png").read_bytes()
    (bench.root / "a.png").write_bytes(whole[: len(whole) // 2])
    bench.server.end(P1, success(picture))
    bench.passes(5)
    assert bench.says(job) == ("failed", "invalid_output")
    return job


def test_a_waiting_job_is_deleted_from_the_queue_and_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.passes(2)
    assert f"remove {P1}" in bench.server.asked
    assert bench.server.pending == []
    assert bench.says(job) == ("cancelled", None)
    assert answered(bench, request) == (Outcome.DONE, "cancelled")


def test_a_running_job_is_interrupted_by_its_id_and_cancelled_when_it_has_let_go(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.passes(2)
    assert bench.server.interrupted == [P1]
    assert bench.says(job) == ("processing", None)
    view = bench.store.views.one(job)
    assert view is not None and view.reason is not None
    assert view.reason.startswith("cancelled by ana: interrupted; its node has not let go yet")
    assert answered(bench, request) == (None, None)
    bench.server.end(P1, INTERRUPTED)
    bench.passes(2)
    assert bench.says(job) == ("cancelled", None)
    assert answered(bench, request) == (Outcome.DONE, "cancelled")


def test_an_interrupt_that_nobody_asked_for_is_none_that_we_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, INTERRUPTED)
    bench.passes(2)
    assert bench.says(job) == ("failed", "interrupted")


def test_what_completed_first_is_completed(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert answered(bench, request) == (Outcome.REFUSED, "it is completed: it had ended before")


def test_what_failed_first_says_how(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.server.end(P1, error())
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")
    assert answered(bench, request)[0] is Outcome.REFUSED


def test_a_hung_job_that_was_cancelled_still_stalls(database: str, tmp_path: Path) -> None:
    policy = replace(QUICK, stall=StallPolicy(startup_grace_s=0.0, base_s=5.0, per_frame_s=0.0))
    bench = Bench(database, tmp_path, policy=policy)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.run_pass()
    bench.sql("update reconciler.prompts set running_since = now() - interval '1 hour'")
    bench.passes(2)
    assert bench.says(job) == ("failed", "stalled")
    assert answered(bench, request)[0] is Outcome.REFUSED
    bench.close()


def test_a_job_without_a_prompt_is_cancelled_at_once(bench: Bench) -> None:
    job = bench.insert()
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.run_pass()
    assert bench.says(job) == ("cancelled", None)
    assert answered(bench, request) == (Outcome.DONE, "cancelled")


def test_a_silent_server_is_waited_for(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.failing = ServerTimeout("gpu: no answer")
    request = ask(bench, Action.CANCEL, job)
    bench.passes(2)
    assert bench.says(job) == ("processing", None)
    assert answered(bench, request) == (None, None)
    bench.server.failing = None
    bench.server.forget(P1)
    bench.passes(2)
    assert bench.says(job) == ("cancelled", None)


def test_asked_twice_it_is_one_request(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    assert ask(bench, Action.CANCEL, job) == ask(bench, Action.CANCEL, job)
    assert bench.kinds(job).count("request") == 1


def test_a_job_that_ended_long_ago_is_not_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.run_pass()
    assert bench.says(job) == ("failed", "execution_error")
    assert answered(bench, request) == (Outcome.REFUSED, "it is failed: it had ended before")


def test_a_new_attempt_is_not_what_somebody_wanted_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.server.run(P2)
    bench.server.history = {}
    bench.sql("update production_jobs set comfyui_job_id = %s where id::text = %s", P2, job)
    bench.passes(2)
    assert bench.server.interrupted == []
    assert bench.says(job) == ("processing", None)
    assert answered(bench, request) == (
        Outcome.REFUSED,
        "a new attempt has begun since it was asked",
    )


def test_a_forgotten_job_is_left_as_it_is_until_its_row_changes(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.FORGET, job)
    bench.run_pass()
    assert answered(bench, request)[0] is Outcome.DONE
    bench.server.end(P1, error())
    bench.passes(2)
    assert bench.says(job) == ("processing", None)
    bench.sql("update production_jobs set status = 'failed' where id::text = %s", job)
    bench.run_pass()
    bench.server.pending = [QueuedPrompt(P2, 1.0)]
    bench.sql(
        "update production_jobs set status = 'queued', comfyui_job_id = %s where id::text = %s",
        P2,
        job,
    )
    bench.passes(2)
    bench.server.end(P2, error())
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")


def test_a_look_again_at_a_forgotten_job_watches_it_anew(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    ask(bench, Action.FORGET, job)
    bench.run_pass()
    bench.server.end(P1, error())
    request = ask(bench, Action.RECHECK, job)
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")
    assert answered(bench, request)[0] is Outcome.DONE


def test_a_damaged_output_is_accepted_as_it_is(bench: Bench) -> None:
    job = failed_with_a_picture(bench)
    request = ask(bench, Action.ACCEPT, job)
    bench.run_pass()
    row = bench.row(job)
    assert (row["status"], row["progress"]) == ("completed", 100)
    assert row["output_path"].endswith("a.png")
    assert row["error"].startswith("warning: accepted as it is by ana: a.png, ")
    assert answered(bench, request) == (Outcome.DONE, "completed")
    bench.passes(2)
    assert bench.says(job)[0] == "completed"


def test_an_acceptance_whose_answer_was_lost_is_answered_as_done(bench: Bench) -> None:
    """The service was killed after the row was written, and before the answer."""
    job = failed_with_a_picture(bench)
    request = ask(bench, Action.ACCEPT, job)
    bench.run_pass()
    bench.sql("update reconciler.requests set answered_at = null, outcome = null, answer = null")
    bench.passes(2)
    assert answered(bench, request) == (Outcome.DONE, "completed")


def test_how_long_somebody_took_to_accept_is_no_reaction_of_ours(bench: Bench) -> None:
    job = failed_with_a_picture(bench)
    bench.sql("update reconciler.prompts set ending = ending || jsonb_build_object('ended_at', 1)")
    before = metrics.REGISTRY.get_sample_value("reconciler_reaction_seconds_count")
    ask(bench, Action.ACCEPT, job)
    bench.run_pass()
    assert bench.says(job)[0] == "completed"
    assert metrics.REGISTRY.get_sample_value("reconciler_reaction_seconds_count") == before


def test_a_request_that_nobody_answers_does_not_have_histories_searched_for_ever(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    ask(bench, Action.RECHECK, job)
    requests = Requests(bench.store, bench.gatherer)
    bench.gatherer.clock.set(bench.store.jobs.now())
    assert requests.take()
    assert requests.searches
    bench.sql("update reconciler.requests set asked_at = asked_at - interval '1 min'")
    assert not requests.take()
    assert not requests.searches


def test_without_a_file_there_is_nothing_to_accept(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.run_pass()
    request = ask(bench, Action.ACCEPT, job)
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")
    assert answered(bench, request) == (Outcome.REFUSED, "no file of it is there")


def test_an_open_job_is_not_accepted(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.ACCEPT, job)
    bench.run_pass()
    assert answered(bench, request)[0] is Outcome.REFUSED
    assert bench.says(job)[0] == "processing"


def test_looked_at_again_a_file_is_inspected_though_it_did_not_change(bench: Bench) -> None:
    """As after a decoder that failed for want of memory: the file was sound all the time."""
    job = bench.insert(comfyui_job_id=P1)
    picture, right = bench.image("a.png"), bench.inspect
    damage = (Defect("decode", "it could not be decoded"),)
    bench.inspect = lambda *order: replace(right(*order), defects=damage)
    bench.server.end(P1, success(picture))
    bench.passes(5)
    assert bench.says(job) == ("failed", "invalid_output")
    bench.inspect = right
    request = ask(bench, Action.RECHECK, job)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    outcome, words = answered(bench, request)
    assert outcome is Outcome.DONE
    assert words is not None and "a.png: whole" in words


def test_the_answer_tells_no_more_than_the_job_was_judged_by(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inspection that ends between the two would be told, and its job not be completed."""
    job = bench.insert(comfyui_job_id=P1)
    picture, right, gate = bench.image("a.png"), bench.inspect, threading.Event()
    damage = (Defect("decode", "it could not be decoded"),)
    bench.inspect = lambda *order: replace(right(*order), defects=damage)
    bench.server.end(P1, success(picture))
    bench.passes(5)
    bench.inspect = lambda *order: right(*order) if gate.wait(30.0) else None  # type: ignore[return-value]
    request = ask(bench, Action.RECHECK, job)
    requests = bench.reconciler.requests
    answer = requests.answer

    def late(*given: Any) -> None:
        gate.set()
        bench.settle()
        answer(*given)

    monkeypatch.setattr(requests, "answer", late)
    bench.run_pass()
    assert answered(bench, request) == (None, None)
    bench.passes(2)
    assert bench.says(job) == ("completed", None)
    assert answered(bench, request)[0] is Outcome.DONE


def test_a_completed_job_whose_file_was_damaged_since_stays_completed_and_says_so(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    (bench.root / "a.png").write_bytes(b"no picture")
    request = ask(bench, Action.RECHECK, job)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    outcome, words = answered(bench, request)
    assert outcome is Outcome.DONE
    assert words is not None and words.startswith("looked again: the job is completed; a.png: ")
    assert "whole" not in words


def test_a_request_about_a_row_that_was_deleted_is_refused(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.sql("delete from production_jobs")
    request = ask(bench, Action.CANCEL, job)
    bench.passes(2)
    assert answered(bench, request) == (Outcome.REFUSED, "there is no such row any more")


def test_a_job_that_comfyui_called_failed_is_accepted_with_the_file_that_it_left(
    bench: Bench,
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.image("a.png")
    bench.server.end(P1, error())
    bench.run_pass()
    (server,) = bench.gatherer.servers.values()
    server.book.look_up(bench.root / "a.png")
    bench.settle()
    bench.store.outputs.attribute({bench.root / "a.png": P1}, job)
    ask(bench, Action.ACCEPT, job)
    bench.run_pass()
    assert bench.row(job)["status"] == "completed"
    assert bench.row(job)["error"] == "warning: accepted as it is by ana: a.png"


def test_requests_that_nobody_answers_make_room_for_others(bench: Bench) -> None:
    """Of jobs whose agent is gone, and nobody has taken over its server."""
    bench.gatherer.remit.others = {"gone": LeaseRecord("gone", None, 1, live=False)}
    dead, ours = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.pending = [QueuedPrompt(P2, 1.0)]
    bench.run_pass()
    bench.sql("update reconciler.prompts set server = 'gone' where prompt_id = %s", P1)
    bench.reconciler.requests.limit = 1
    nobodys = ask(bench, Action.CANCEL, dead), ask(bench, Action.RECHECK, dead)
    request = ask(bench, Action.CANCEL, ours)
    bench.passes(4)
    assert answered(bench, request) == (Outcome.DONE, "cancelled")
    assert [answered(bench, each) for each in nobodys] == 2 * [(None, None)]
    bench.clock.set(bench.store.jobs.now() + PASS_OVER_S)
    bench.reconciler.requests.take()
    assert bench.reconciler.requests.job_ids == [dead], "they are looked at once in a while"


@pytest.mark.parametrize("finished", [False, True])
def test_an_agent_that_is_killed_after_it_interrupted_leaves_the_rest_to_its_successor(
    bench: Bench, tmp_path: Path, finished: bool
) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    request = ask(bench, Action.CANCEL, job)
    bench.run_pass()
    assert bench.server.interrupted == [P1]
    # It had completed in the moment before: what really happened counts.
    bench.server.end(P1, success(bench.image("a.png")) if finished else INTERRUPTED)
    successor = Bench(bench.url, tmp_path)
    try:
        successor.server.history = bench.server.history
        successor.passes(4)
        assert successor.says(job) == ("completed" if finished else "cancelled", None)
        expected = Outcome.REFUSED if finished else Outcome.DONE
        assert answered(successor, request)[0] is expected
        words = [event.event.reason for event in successor.store.jobs.story(job)]
        assert sum(each.startswith("cancel: ") for each in words) == 1, "answered once"
    finally:
        successor.close()


def test_each_end_is_told_once(bench: Bench) -> None:
    """Of a cancel, and of a failure that somebody accepts, or that a late success lifts."""
    endpoint = Endpoint("studio", "https://studio.example/hook", "endings", None, None)
    WebhookStore(bench.store.connection).name("agent", [endpoint])
    accepted = failed_with_a_picture(bench)
    ask(bench, Action.ACCEPT, accepted)
    cancelled = bench.insert(comfyui_job_id=P2)
    bench.server.pending = [QueuedPrompt(P2, 1.0)]
    bench.passes(2)
    ask(bench, Action.CANCEL, cancelled)
    late = bench.insert(comfyui_job_id=P3)
    bench.server.end(P3, success(listed("late.png")))
    bench.passes(4)
    assert bench.says(late) == ("failed", "missing_output")
    bench.image("late.png")
    for _ in range(4):
        bench.run_pass(search_history=True)
    assert bench.says(late) == ("completed", None)
    told = DeliveryStore(bench.store.connection).page(50)
    assert sorted((one.job_id, one.type) for one in told) == sorted(
        [
            (accepted, "job.failed"),
            (accepted, "job.completed"),
            (cancelled, "job.cancelled"),
            (late, "job.failed"),
            (late, "job.completed"),
        ]
    )
