"""Prompts whose end only the node pack's manifest tells: ComfyUI is gone, or has forgotten them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.evidence import NodeRun, Source
from reconciler.errors import ServerRefused
from tests.integration.manifests import manifest, output, write
from tests.integration.reconciling import QUICK, Bench, error, success

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
DOWN = ServerRefused("connection refused")
#: The table's thresholds as they are in production: nothing is lost before the test ends.
PATIENT = replace(QUICK, lost_confirmations=1000)


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path, policy=PATIENT)
    yield bench
    bench.close()


def ends(bench: Bench, prompt_id: str, kind: str = "success", *files: str, **more: object) -> None:
    """The prompt ends: its pictures are on disk, the pack writes its manifest, history nothing."""
    at = more.pop("at", None) or bench.clock.now()
    outputs = [output(bench.root, bench.image(name)) for name in files]
    assert isinstance(at, float)
    write(bench.root, manifest(prompt_id, kind, at=at, **{"outputs": outputs, **more}))


def ending(bench: Bench, prompt_id: str) -> dict[str, object]:
    """The ending as it was stored."""
    (row,) = bench.sql("select ending from reconciler.prompts where prompt_id = %s", prompt_id)
    found = row["ending"]
    assert isinstance(found, dict)
    return found


def test_comfyui_dies_right_after_the_end(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    ends(bench, P1, "success", "a.png")
    bench.server.failing = DOWN
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["output_path"] == str(bench.root / "a.png")
    assert ending(bench, P1)["source"] == Source.MANIFEST


def test_a_server_that_was_restarted_and_knows_nothing(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    ends(bench, P1, "success", "a.png")
    bench.server.forget(P1)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_all_of_it_happened_while_nobody_reconciled(bench: Bench) -> None:
    bench.server.failing = DOWN
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png")
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_an_error_with_its_node(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.failing = DOWN
    told = {
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "torch.OutOfMemoryError",
        "message": "CUDA out of memory\nTried to allocate 2 GiB",
    }
    ends(bench, P1, "error", error=told)
    bench.run_pass()
    assert bench.says(job) == ("failed", "out_of_memory")
    assert (
        "node 3 (KSampler): torch.OutOfMemoryError: CUDA out of memory" in (bench.row(job)["error"])
    )


def test_an_interrupt(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "interrupted")
    bench.run_pass()
    assert bench.says(job) == ("failed", "interrupted")


def test_a_prompt_that_was_removed_from_the_queue_is_cancelled(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.run_pass()
    assert bench.says(job)[0] == "queued"
    bench.server.forget(P1)
    ends(bench, P1, "removed", created_at=None)
    bench.run_pass()
    assert bench.says(job) == ("cancelled", None)
    assert bench.store.jobs.story(job)[-1].event.rule == "removed"


def test_a_cached_success_points_at_the_earlier_file(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png", cached_nodes=["4", "9"])
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert ending(bench, P1)["cached"] is True
    assert bench.store.outputs.of_job(job) == [], "the file stays the earlier prompt's"


def test_an_id_in_use_again_is_not_ended_by_its_old_manifest(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "error", at=bench.clock.now() - 3.0)
    bench.server.pending = [QueuedPrompt(P1, 1.0)]
    bench.passes(2)
    assert bench.says(job)[0] == "queued"
    bench.server.run(P1)
    bench.passes(2)
    assert bench.says(job)[0] == "processing"


@pytest.mark.parametrize("place", ["pending", "running"])
def test_nor_when_the_server_dies_with_the_new_run(bench: Bench, place: str) -> None:
    job = bench.insert(comfyui_job_id=P1, created_at="2020-01-01")
    ends(bench, P1, "error", at=bench.clock.now() - 60.0)
    setattr(bench.server, place, [QueuedPrompt(P1, 1.0)])
    bench.run_pass()
    bench.server.failing = DOWN
    bench.passes(2)
    assert bench.says(job)[0] in ("queued", "processing")
    ends(bench, P1, "success", "a.png")
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_manifest_from_before_the_row_is_another_rows(bench: Bench) -> None:
    ends(bench, P1, "success", "a.png", at=bench.clock.now() - 60.0)
    job = bench.insert(comfyui_job_id=P1)
    with capture_logs() as logs:
        bench.passes(3)
    assert bench.says(job) == ("queued", None)
    said = [line for line in logs if "earlier run" in line["event"]]
    assert len(said) == 1, "told once"


def test_clocks_that_differ_a_little_do_no_harm(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png", at=bench.clock.now() - 4.0)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_retry_is_not_judged_by_the_manifest_of_the_first_attempt(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1, created_at="2020-01-01")
    ends(bench, P1, "error", at=bench.clock.now() - 60.0)
    bench.run_pass()
    assert bench.says(job) == ("failed", "execution_error")
    bench.sql("update production_jobs set status = 'queued', comfyui_job_id = %s", P2)
    bench.passes(2)
    assert bench.says(job)[0] == "queued"
    ends(bench, P2, "success", "a.png")
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_retry_under_the_old_id_is_judged_by_its_own_manifest(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "error", at=bench.clock.now() - 4.0)
    bench.run_pass()
    assert bench.says(job) == ("failed", "execution_error")
    bench.sql("update production_jobs set status = 'queued'")
    bench.server.failing = DOWN
    ends(bench, P1, "success", "a.png", at=bench.clock.now() + 1.0)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_a_late_manifest_lifts_a_verdict(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    bench.server.forget(P1)
    at = bench.clock.now()
    bench.passes(3)
    assert bench.says(job) == ("failed", "lost")
    ends(bench, P1, "success", "a.png", at=at)
    for _ in range(3):
        bench.run_pass(search_history=True)
    assert bench.says(job) == ("completed", None)
    bench.close()


def test_the_manifest_of_another_server_is_not_asked_for(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, policy=PATIENT, names=("one", "two"))
    job = bench.insert(comfyui_job_id=P1)
    bench.servers["one"].run(P1)
    bench.run_pass()
    bench.servers["one"].forget(P1)
    write(bench.roots["two"], manifest(P1, "error", at=bench.clock.now()))
    bench.passes(2)
    assert bench.says(job)[0] == "processing"
    bench.close()


def test_of_an_unknown_server_every_manifest_counts(database: str, tmp_path: Path) -> None:
    bench = Bench(database, tmp_path, policy=PATIENT, names=("one", "two"))
    for server in bench.servers.values():
        server.failing = DOWN
    job = bench.insert(comfyui_job_id=P1)
    file = bench.image("a.png", server="two")
    outputs = [output(bench.roots["two"], file)]
    write(bench.roots["two"], manifest(P1, at=bench.clock.now(), outputs=outputs))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    bench.close()


# Rows without a prompt.


def test_a_prompt_that_came_and_went_is_found_by_its_job_id(bench: Bench) -> None:
    job = bench.insert()
    ends(bench, P1, "success", "a.png", job_id=job)
    for _ in range(3):
        bench.run_pass(search_history=True)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["comfyui_job_id"] == P1


def test_even_if_its_server_is_gone(bench: Bench) -> None:
    bench.server.failing = DOWN
    job = bench.insert()
    ends(bench, P1, "removed", job_id=job, created_at=None)
    bench.run_pass(search_history=True)
    assert bench.says(job) == ("cancelled", None)


def test_a_job_id_of_another_database_links_nothing(bench: Bench) -> None:
    old = bench.clock.now() - 86400.0
    ends(bench, P1, "error", job_id="1", at=old)
    ends(bench, P2, "removed", job_id="1", at=old, created_at=None)
    job = bench.insert()
    assert job == "1"
    for _ in range(2):
        bench.run_pass(search_history=True)
    assert bench.says(job) == ("queued", None)
    assert bench.row(job)["comfyui_job_id"] is None


def test_all_prompts_of_a_job_are_linked(bench: Bench) -> None:
    job = bench.insert()
    ends(bench, P1, "success", "a.png", job_id=job)
    ends(bench, P2, "error", job_id=job)
    bench.run_pass(search_history=True)
    assert bench.says(job) == ("failed", "execution_error")


def test_follow_ups_are_known_by_the_manifest_of_the_prompt_that_queued_them(bench: Bench) -> None:
    """A batch manager's first prompt saves nothing, and the row names no other."""
    bench.server.failing = DOWN
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, followed_by=[P2])
    ends(bench, P2, "success", "b.png", first_prompt_id=P1)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["output_path"] == str(bench.root / "b.png")
    assert bench.row(job)["comfyui_job_id"] == P1


def test_a_follow_up_of_which_nothing_is_known_keeps_the_job_open(bench: Bench) -> None:
    bench.server.failing = DOWN
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png", followed_by=[P2])
    bench.passes(4)
    assert bench.row(job)["status"] not in ("completed", "failed")


@pytest.mark.parametrize("name", ["", "\0", "\ud800"])
def test_a_follow_up_that_no_prompt_can_be_is_none(bench: Bench, name: str) -> None:
    """Asked for no name at all, history tells of everything, and so never of an end."""
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png", followed_by=[name])
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert len(bench.sql("select prompt_id from reconciler.prompts")) == 1


def test_one_that_is_heard_of_needs_no_search(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.insert()
    bench.run_pass(search_history=True)
    ends(bench, P1, "success", "a.png", job_id=job)
    monkeypatch.setattr(os, "scandir", None)
    bench.run_pass()
    assert bench.row(job)["comfyui_job_id"] is None
    bench.gatherer.servers["gpu"].manifests.hear(f"{P1}.json")
    bench.run_pass()
    assert bench.row(job)["comfyui_job_id"] == P1


def test_a_row_that_is_committed_after_its_prompt_has_ended(bench: Bench) -> None:
    other = bench.insert()
    manifests = bench.gatherer.servers["gpu"].manifests
    ends(bench, P1, "removed", job_id="2")
    manifests.hear(f"{P1}.json")
    bench.run_pass()
    late = bench.insert()
    assert (other, late) == ("1", "2")
    bench.run_pass()
    assert bench.says(late) == ("cancelled", None)


def test_a_prompt_that_lives_is_where_it_lives_and_not_where_a_manifest_lies(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").symlink_to("one")
    bench = Bench(database, tmp_path, policy=PATIENT, names=("one", "two"))
    job = bench.insert()
    told = manifest(P1, "removed", at=bench.clock.now() - 2.0, job_id=job)
    write(bench.roots["one"], told)
    bench.servers["two"].run(P1, job_id=job)
    bench.run_pass(search_history=True)
    assert bench.says(job)[0] == "processing"
    (row,) = bench.sql("select server from reconciler.prompts")
    assert row["server"] == "two"
    bench.close()


# What the manifest adds to history.


def test_history_goes_first_and_the_manifest_adds_to_it(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    now = bench.clock.now()
    file = bench.image("a.png")
    told = manifest(P1, at=now, outputs=[output(bench.root, file)], expected_frames=1)
    write(bench.root, told)
    bench.server.end(P1, success(file, started_at=now, ended_at=now))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    stored = ending(bench, P1)
    assert (stored["source"], stored["expected_frames"]) == ("history", 1)
    assert stored["node_runs"] == [{"node_id": "9", "node_type": "SaveImage", "seconds": 0.25}]
    (first,) = stored["files"]  # type: ignore[misc]
    assert first["size_bytes"] == (bench.root / "a.png").stat().st_size


@pytest.mark.parametrize("more", [{"kind": "error"}, {"at_s": -60.0}, {"at_s": 300.0}])
def test_the_manifest_of_another_run_adds_nothing(bench: Bench, more: dict[str, object]) -> None:
    job = bench.insert(comfyui_job_id=P1, created_at="2020-01-01")
    now = bench.clock.now()
    file = bench.image("a.png")
    listed_so = output(bench.root, file) | {"size_bytes": 1}
    at = now + float(str(more.pop("at_s", 0.0)))
    write(bench.root, manifest(P1, at=at, outputs=[listed_so], **more))  # type: ignore[arg-type]
    bench.server.end(P1, success(file, started_at=now, ended_at=now))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_history_that_knows_better_is_believed(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", "a.png")
    bench.server.end(P1, error())
    bench.run_pass()
    assert bench.says(job) == ("failed", "execution_error")


def test_a_prompt_in_the_queue_costs_the_storage_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prompt_id in (P1, P2):
        bench.insert(comfyui_job_id=prompt_id)
    bench.server.run(P1)
    bench.server.pending = [QueuedPrompt(P2, 2.0)]
    bench.run_pass()
    asked = count_reads(bench, monkeypatch)
    bench.run_pass()
    assert asked == []
    bench.server.forget(P1)
    bench.run_pass()
    assert asked == [f"{P1}.json"], "one question for each prompt whose end is not known"
    bench.run_pass(look_at=())
    assert len(asked) == 1, "and none between two looks"


def count_reads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    manifests = bench.gatherer.servers["gpu"].manifests
    asked: list[str] = []
    read = manifests._read

    def counted(name: str) -> object:
        asked.append(name)
        return read(name)

    monkeypatch.setattr(manifests, "_read", counted)
    return asked


def test_storage_that_hangs_is_not_asked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = bench.insert(comfyui_job_id=P1)
    tagged = bench.insert()
    ends(bench, P1, "error")
    ends(bench, P2, "error", job_id=tagged)
    server = bench.gatherer.servers["gpu"]
    server.storage_answers = lambda: False
    asked = count_reads(bench, monkeypatch)
    bench.run_pass(search_history=True)
    assert (bench.says(job)[0], bench.says(tagged)[0], asked) == ("queued", "queued", [])
    server.storage_answers = lambda: True
    bench.run_pass(search_history=True)
    assert bench.says(job)[0] == bench.says(tagged)[0] == "failed"


def test_a_success_whose_files_were_too_many_to_name_proves_nothing(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    ends(bench, P1, "success", outputs=None)
    bench.passes(2)
    assert bench.says(job) == ("queued", None)


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/passwd"])
def test_a_forged_name_leads_nowhere(bench: Bench, name: str) -> None:
    (bench.root.parent / "outside.png").write_bytes(b"x")
    job = bench.insert(comfyui_job_id=P1)
    forged = {"node_id": "9", "kind": "images", "filename": name, "type": "output"}
    ends(bench, P1, "success", outputs=[forged])
    bench.passes(3)
    assert bench.says(job) == ("failed", "invalid_output")
    assert "refused" in bench.row(job)["error"]


def test_an_ending_from_before_the_manifests_is_still_read(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.run_pass()
    bench.sql(
        "update reconciler.prompts set ending = ending - 'expected_frames' - 'node_runs'"
        " || jsonb_build_object('files', jsonb_build_array((ending->'files'->0)"
        " - 'size_bytes' - 'mtime_ns' - 'digest' - 'reused'))"
    )
    bench.passes(3)
    assert bench.says(job) == ("completed", None)


def test_the_longest_runs_are_kept_and_told(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    runs = {str(n): {"type": "KSampler", "seconds": float(n)} for n in range(100)}
    ends(bench, P1, "success", "a.png", nodes=runs)
    bench.passes(3)
    stored = ending(bench, P1)["node_runs"]
    assert isinstance(stored, list)
    assert len(stored) == 16
    assert NodeRun(**stored[0]) == NodeRun("99", "KSampler", 99.0)
    told = bench.store.jobs.story(job)[-1].event.evidence["longest_nodes"]
    assert told == "KSampler (99) 99.0 s, KSampler (98) 98.0 s, KSampler (97) 97.0 s"
