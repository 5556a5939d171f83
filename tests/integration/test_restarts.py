"""Boot ids: restarts of ComfyUI and of ourselves, and several servers behind one address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import EndKind
from reconciler.errors import ServerAnswer
from reconciler.store.servers import SHARED_S
from tests.integration.manifests import manifest, output, write
from tests.integration.packed_bench import (
    P1,
    P2,
    bench_of,
    note,
    prompt,
    raising,
    rule,
    run,
    state,
)
from tests.integration.reconciling import QUICK, Bench, success

#: Only a proven restart can tell that a prompt is lost.
RESTART_ONLY = replace(QUICK, lost_confirmations=99, restart_grace_s=0.0)


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = bench_of(database, tmp_path)
    yield bench
    bench.close()


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
