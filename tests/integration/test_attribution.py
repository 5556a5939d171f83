"""Whose file is it: traps over a real database and real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from tests.integration.claims import (
    P1,
    P2,
    STRANGE,
    appears,
    defects,
    lost,
    orphans,
    owner,
    picture,
)
from tests.integration.reconciling import Bench, error, listed, success

DAY_S = 86_400.0


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


@pytest.mark.parametrize("tag", [STRANGE, None])
def test_a_fresh_database_over_an_old_directory(bench: Bench, tag: str | None) -> None:
    """Its ids start again, and the directory is full of files that carry those ids."""
    old = [picture(bench, f"old_{n}.png", str(n), tag, age_s=DAY_S) for n in (1, 2, 3)]
    job = bench.insert()
    assert job == "1"
    bench.passes(3)
    assert bench.says(job) == ("queued", None)
    lost(bench, job)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert [owner(bench, path) for path in old] == [None] * 3
    assert orphans(bench) == [path.name for path in old]


def test_a_stranger_writes_with_the_same_ids_into_the_same_directory(bench: Bench) -> None:
    """Another database's job 1 is written while ours runs: its prompt is none of ours."""
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    theirs = picture(bench, "theirs.png", job, STRANGE)
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert owner(bench, theirs) is None
    assert orphans(bench) == ["theirs.png"]


def test_the_tag_of_an_input_never_reaches_a_claim(bench: Bench, tmp_path: Path) -> None:
    """A picture that job 1 saved is the input of job 2, which saves its own with its own tag."""
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    made = picture(bench, "a.png", first, P1)
    bench.server.end(P1, success(listed("a.png")))
    bench.passes(2)
    shutil.copy(made, tmp_path / "input.png")
    mine = picture(bench, "b.png", second, P2)
    files = (listed("b.png"), listed("input.png", type="input"), listed("a.png", type="temp"))
    bench.server.end(P2, success(*files))
    bench.passes(2)
    assert bench.says(second) == ("completed", None)
    assert bench.row(second)["output_path"] == str(mine)
    assert [o.path for o in bench.store.outputs.of_job(second)] == [mine]
    assert owner(bench, made) == first


def test_an_old_file_that_is_copied_into_the_directory_is_not_the_new_jobs(bench: Bench) -> None:
    old = picture(bench, "old.png", "1", STRANGE, age_s=DAY_S)
    job = bench.insert()
    lost(bench, job)
    appears(bench, Path(shutil.copy(old, old.with_name("copied.png"))))
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")


def test_two_jobs_with_one_prefix(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    one, two = picture(bench, "out_00001_.png"), picture(bench, "out_00002_.png")
    bench.server.end(P2, success(listed("out_00002_.png")))
    bench.server.end(P1, success(listed("out_00001_.png")))
    bench.passes(2)
    assert bench.says(first) == bench.says(second) == ("completed", None)
    assert (owner(bench, one), owner(bench, two)) == (first, second)


def test_a_late_file_of_an_earlier_attempt_is_no_proof_of_the_later(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.passes(2)
    bench.sql("update production_jobs set status = 'queued', comfyui_job_id = %s", P2)
    bench.server.run(P2, job_id=job)
    bench.run_pass()
    late = picture(bench, "late.png", job, P1)
    bench.server.forget(P2)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert owner(bench, late) == job, "it is this job's all the same, and no orphan"
    assert bench.store.outputs.known([late])[late].prompt_id == P1


def test_a_damaged_late_file_of_an_earlier_attempt_holds_up_nothing(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, error())
    bench.passes(2)
    bench.sql("update production_jobs set status = 'queued', comfyui_job_id = %s", P2)
    bench.server.run(P2, job_id=job)
    bench.run_pass()
    late = picture(bench, "late.png", job, P1)
    late.write_bytes(late.read_bytes()[:-20])
    appears(bench, late)
    good = picture(bench, "good.png", job, P2)
    bench.server.forget(P2)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["output_path"] == str(good)


def test_a_file_that_is_somebodys_already_is_not_claimed_again(bench: Bench) -> None:
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    path = picture(bench, "a.png", job, P1)
    bench.store.outputs.attribute({path: P2}, "another")
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert owner(bench, path) == "another"


def test_a_file_that_two_jobs_list_is_neithers_and_both_say_so(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path = picture(bench, "a.png")
    for prompt_id in (P1, P2):
        bench.server.end(prompt_id, success(listed("a.png")))
    bench.passes(4)
    for job in (first, second):
        assert bench.says(job) == ("failed", "invalid_output")
        claimants = f"claimed by jobs {first} and {second}"
        assert f"a.png: {claimants}, and nothing in it tells whose it is" in defects(bench, job)
    assert owner(bench, path) is None
    assert orphans(bench) == ["a.png"]


def test_the_tag_tells_which_of_two_wrote_last(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path = picture(bench, "a.png", second, P2)
    for prompt_id in (P1, P2):
        bench.server.end(prompt_id, success(listed("a.png")))
    bench.passes(4)
    assert bench.says(first) == ("failed", "invalid_output")
    assert f"a.png: overwritten by prompt {P2}" in defects(bench, first)
    assert bench.says(second) == ("completed", None)
    assert owner(bench, path) == second
    assert orphans(bench) == []


def test_time_tells_which_of_two_wrote_last(bench: Bench) -> None:
    """The application moved the first file away, and the second prompt took its name."""
    now = bench.store.jobs.now()
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path = picture(bench, "a.png", age_s=60.0)
    file = listed("a.png")
    bench.server.end(P1, success(file, started_at=now - 300, ended_at=now - 200))
    bench.server.end(P2, success(file, started_at=now - 100, ended_at=now - 59))
    bench.passes(4)
    assert bench.says(first) == ("failed", "invalid_output")
    assert bench.says(second) == ("completed", None)
    assert owner(bench, path) == second


def test_the_manifest_tells_which_of_two_wrote_last(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path = picture(bench, "a.png")
    size_bytes, mtime_ns = path.stat().st_size, path.stat().st_mtime_ns
    for prompt_id, written_ns in ((P1, mtime_ns), (P2, mtime_ns - 10**9)):
        file = replace(listed("a.png"), size_bytes=size_bytes, mtime_ns=written_ns)
        bench.server.end(prompt_id, success(file))
    bench.passes(4)
    assert bench.says(first) == ("completed", None)
    assert bench.says(second) == ("failed", "invalid_output")
    assert owner(bench, path) == first


@pytest.mark.parametrize("whole", [True, False])
def test_what_an_earlier_prompt_wrote_stays_its_own(bench: Bench, whole: bool) -> None:
    """All of the prompt is cached, or only this node of it."""
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path = picture(bench, "a.png", first, P1)
    bench.server.end(P1, success(listed("a.png")))
    reused = replace(listed("a.png"), reused=not whole)
    more = () if whole else (bench.image("own.png"),)
    bench.server.end(P2, success(reused, *more, cached=whole))
    bench.passes(3)
    assert bench.says(first) == bench.says(second) == ("completed", None)
    assert owner(bench, path) == first
    assert [o.path.name for o in bench.store.outputs.of_job(second)] == [] if whole else ["own.png"]
    told = bench.store.jobs.story(second)[-1].event.evidence["outputs"]
    assert "from the cache: an earlier prompt's" in str(told)


def test_a_file_that_was_there_before_the_prompt_began_is_not_its_own(bench: Bench) -> None:
    """Nothing says that it was cached, but it cannot have written it."""
    now = bench.store.jobs.now()
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    path, file = picture(bench, "a.png", age_s=250.0), listed("a.png")
    bench.server.end(P1, success(file, started_at=now - 300, ended_at=now - 249))
    bench.server.end(P2, success(file, started_at=now - 100, ended_at=now - 99))
    bench.passes(4)
    assert bench.says(first) == bench.says(second) == ("completed", None)
    assert owner(bench, path) == first


def test_of_tagged_pictures_the_one_saved_first_is_the_main_one(bench: Bench) -> None:
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    picture(bench, "a.png", job, P1)
    first = picture(bench, "b.png", job, P1, age_s=2.0)
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.row(job)["output_path"] == str(first)


def test_a_strange_prompt_overwrote_the_file_later(bench: Bench) -> None:
    now = bench.store.jobs.now()
    job = bench.insert(comfyui_job_id=P1)
    path = picture(bench, "a.png", "7", STRANGE)
    ended = success(listed("a.png"), started_at=now - 300, ended_at=now - 200)
    bench.server.end(P1, ended)
    bench.passes(4)
    assert bench.says(job) == ("failed", "invalid_output")
    assert f"overwritten by prompt {STRANGE}" in defects(bench, job)
    assert owner(bench, path) is None
    assert orphans(bench) == ["a.png"]


def test_a_stale_tag_that_the_application_sent_again_is_no_contradiction(bench: Bench) -> None:
    """Without the pack nobody replaces it: history knows better than the tag."""
    now = bench.store.jobs.now()
    job = bench.insert(comfyui_job_id=P1)
    path = picture(bench, "a.png", "7", STRANGE)
    bench.server.end(P1, success(listed("a.png"), started_at=now - 9, ended_at=now + 1))
    bench.passes(2)
    assert bench.says(job) == ("completed", None)
    assert owner(bench, path) == job


def test_a_prompt_of_ours_that_still_runs_overwrote_the_file(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    bench.server.run(P2)
    bench.run_pass()
    path = picture(bench, "a.png", second, P2)
    bench.server.end(P1, success(listed("a.png")))
    bench.passes(4)
    assert bench.says(first) == ("failed", "invalid_output")
    bench.server.end(P2, success(listed("a.png")))
    bench.passes(2)
    assert bench.says(second) == ("completed", None)
    assert owner(bench, path) == second


def test_a_follow_ups_file_may_carry_the_first_prompts_tag(bench: Bench) -> None:
    """A batch manager opens the file in its first prompt and closes it in its last."""
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1, job_id=job)
    bench.server.pending = [QueuedPrompt(P2, 2.0, job_id=job)]
    bench.run_pass()
    path = picture(bench, "a.png", job, P1)
    bench.server.end(P1, success(), job_id=job)
    bench.server.end(P2, success(listed("a.png")), job_id=job)
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert owner(bench, path) == job


def test_a_prompt_without_a_job_id_tags_its_files_with_its_own(bench: Bench) -> None:
    """The pack's tag for a prompt that names no job: the row knows the prompt."""
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    path = picture(bench, "a.png", None, P1)
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert owner(bench, path) == job


def test_a_tag_whose_job_and_prompt_do_not_belong_together_is_nobodys(bench: Bench) -> None:
    first, second = bench.insert(comfyui_job_id=P1), bench.insert(comfyui_job_id=P2)
    for prompt_id in (P1, P2):
        bench.server.run(prompt_id)
        bench.run_pass()
        bench.server.forget(prompt_id)
    path = picture(bench, "a.png", first, P2)
    bench.passes(4)
    assert bench.says(first) == bench.says(second) == ("failed", "lost")
    assert owner(bench, path) is None
    assert orphans(bench) == ["a.png"]


def test_a_bare_job_id_is_called_weaker(bench: Bench) -> None:
    job = bench.insert()
    lost(bench, job)
    picture(bench, "a.png", job)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert "weaker" in bench.store.jobs.story(job)[-1].event.reason


def test_a_bare_job_id_in_what_another_prompt_lists_is_no_claim(bench: Bench) -> None:
    first, second = bench.insert(), bench.insert(comfyui_job_id=P2)
    lost(bench, first)
    path = picture(bench, "a.png", first)
    bench.server.end(P2, success(listed("a.png")))
    bench.passes(4)
    assert bench.says(first) == ("failed", "lost")
    assert bench.says(second) == ("completed", None)
    assert owner(bench, path) == second


def test_an_ending_that_was_stored_without_its_listing_costs_no_file_its_owner(
    bench: Bench,
) -> None:
    """An earlier version, which kept no listings, stored the ending, and then was upgraded."""
    bench.reconciler.policy = replace(bench.reconciler.policy, missing_output_grace_s=3600.0)
    job = bench.insert(comfyui_job_id=P1)
    bench.server.end(P1, success(listed("a.png")))
    bench.run_pass()
    bench.sql("delete from reconciler.listings")
    path = picture(bench, "a.png")
    bench.passes(2)
    assert bench.says(job) == ("completed", None)
    assert owner(bench, path) == job


def test_a_listing_is_stored_no_later_than_its_ending(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two: a known ending would never again make its listing known."""
    bench.reconciler.policy = replace(bench.reconciler.policy, missing_output_grace_s=3600.0)
    bench.insert(comfyui_job_id=P1)
    bench.run_pass()
    bench.server.end(P1, success(listed("a.png")))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        for write in ("outputs.note_listing", "jobs.save_prompts"):
            part, name = write.split(".")
            patch.setattr(getattr(bench.store, part), name, _once(bench, part, name))
        bench.run_pass()
    bench.run_pass()
    listings = bench.sql("select prompt_id from reconciler.listings")
    assert [listing["prompt_id"] for listing in listings] == [P1]


def _once(bench: Bench, part: str, name: str) -> Callable[..., None]:
    """Writes as ever, and is killed right after that."""
    write = getattr(getattr(bench.store, part), name)

    def killed(*values: object) -> None:
        write(*values)
        raise KeyboardInterrupt

    return killed
