"""Siblings, names and Tag nodes: files and prompts that say little themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.naming import NamePatterns
from tests.integration.claims import (
    P1,
    P2,
    P3,
    STRANGE,
    gif,
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


def test_a_gif_is_found_through_its_picture(bench: Bench) -> None:
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    still, moving = picture(bench, "clip_00001.png", job, P1), gif(bench, "clip_00001.gif")
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("completed", None)
    assert bench.row(job)["output_path"] == str(moving)
    assert (owner(bench, still), owner(bench, moving)) == (job, job)
    assert "saved along with clip_00001.png" in str(bench.store.jobs.story(job)[-1].event.evidence)


@pytest.mark.parametrize("moving", [False, True])
def test_the_first_frame_of_a_video_that_was_not_written_is_no_proof(
    bench: Bench, moving: bool
) -> None:
    """ComfyUI was killed while it encoded: the picture is whole and tagged, the video is not."""
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    picture(bench, "clip_00001.png", job, P1)
    if moving:
        gif(bench, "clip_00001.gif", whole=False)
    bench.server.forget(P1)
    bench.passes(6)
    assert bench.says(job) == ("failed", "lost")
    partial = str(bench.store.jobs.story(job)[-1].event.evidence["partial_files"])
    assert ("clip_00001.png" in partial, "clip_00001.gif" in partial) == (True, moving)


def test_a_sibling_of_a_stranger_completes_no_group(bench: Bench) -> None:
    """Two servers write into one directory, and took the same number."""
    job = bench.insert()
    bench.server.run(P1, job_id=job)
    bench.run_pass()
    picture(bench, "clip_00001.png", job, P1)
    theirs = picture(bench, "clip_00001-audio.png", "9", STRANGE)
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert owner(bench, theirs) is None


def test_siblings_of_a_listed_file_are_the_jobs_whenever_they_are_seen(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    silent = picture(bench, "clip_00001.png", color="red")
    bench.image("clip_00001-audio.png")
    bench.server.end(P1, success(listed("clip_00001-audio.png")))
    bench.passes(3)
    late = gif(bench, "clip_00001.gif")
    assert bench.says(job) == ("completed", None)
    assert (owner(bench, silent), owner(bench, late)) == (job, job)
    assert orphans(bench) == []


def test_a_sibling_with_a_tag_of_its_own_is_not_swallowed(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    theirs = picture(bench, "clip_00001.png", "9", STRANGE)
    gif(bench, "clip_00001.gif")
    bench.server.end(P1, success(listed("clip_00001.gif")))
    bench.passes(3)
    assert bench.says(job) == ("completed", None)
    assert owner(bench, theirs) is None
    assert orphans(bench) == ["clip_00001.png"]


def test_files_of_a_job_that_failed_are_no_orphans(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    before = picture(bench, "before.png", job, P1)
    bench.server.end(P1, replace(error(), files=(listed("listed.png"),)))
    mine = picture(bench, "listed.png")
    bench.passes(2)
    assert bench.says(job) == ("failed", "execution_error")
    assert (owner(bench, before), owner(bench, mine)) == (job, job)
    assert orphans(bench) == []


def test_what_an_open_job_may_yet_have_is_no_orphan(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    picture(bench, "tagged.png", job, P1)
    picture(bench, "bare.png", job)
    picture(bench, "clip_00001.png", job, P1)
    gif(bench, "clip_00001.gif")
    picture(bench, "nothing.png")
    assert orphans(bench) == ["nothing.png"]


@pytest.fixture
def named(bench: Bench) -> Bench:
    """Names say whose the files are."""
    pattern = r"(.*/)?job-(?P<job_id>[0-9]+)_.*"
    bench.gatherer.servers["gpu"].book._patterns = NamePatterns([pattern])
    return bench


def test_a_name_attributes_where_nothing_else_speaks(named: Bench) -> None:
    job = named.insert()
    lost(named, job)
    path = picture(named, f"x/job-{job}_1.png")
    named.passes(4)
    assert named.says(job) == ("completed", None)
    assert owner(named, path) == job
    assert "weaker" in named.store.jobs.story(job)[-1].event.reason


@pytest.mark.parametrize(
    ("tag_job", "tag_prompt", "age_s"),
    [("1", STRANGE, 0.0), ("77", None, 0.0), (None, STRANGE, 0.0), (None, None, DAY_S)],
)
def test_a_name_alone_against_other_evidence_is_nothing(
    named: Bench, tag_job: str | None, tag_prompt: str | None, age_s: float
) -> None:
    job = named.insert()
    lost(named, job)
    path = picture(named, f"job-{job}_1.png", tag_job, tag_prompt, age_s=age_s)
    named.passes(4)
    assert named.says(job) == ("failed", "lost")
    assert owner(named, path) is None


def test_a_name_does_not_take_what_another_prompt_lists(named: Bench) -> None:
    first, second = named.insert(), named.insert(comfyui_job_id=P2)
    lost(named, first)
    path = picture(named, f"job-{first}_1.png")
    named.server.end(P2, success(listed(path.name)))
    named.passes(4)
    assert named.says(first) == ("failed", "lost")
    assert owner(named, path) == second


def test_a_tag_node_that_is_a_relic_links_nothing(bench: Bench) -> None:
    job = bench.insert(comfyui_job_id=P1)
    bench.server.run(P1)
    bench.run_pass()
    now = bench.store.jobs.now()
    relic = QueuedPrompt(P2, 2.0, job_id=job, job_id_from="node", created_at=now)
    follow_up = replace(relic, prompt_id=P3, first_prompt_id=P2)
    bench.server.pending = [relic, follow_up]
    bench.passes(3)
    assert [p.prompt_id for p in bench.store.views.prompts(job)] == [P1]
    notes = [e.event.reason for e in bench.store.jobs.story(job) if e.event.kind == "note"]
    assert len(notes) == 2, "each is told once"
    assert all("the job has a prompt of its own" in reason for reason in notes)
    theirs = picture(bench, "theirs.png", job, P2)
    bench.server.forget(P1)
    bench.passes(4)
    assert bench.says(job) == ("failed", "lost")
    assert owner(bench, theirs) is None
    view = bench.store.views.one(job)
    assert view is not None and "note" not in (view.reason or "")


def test_a_tag_node_links_the_only_prompt_of_a_row_that_waits_for_one(bench: Bench) -> None:
    job = bench.insert()
    now = bench.store.jobs.now()
    first = QueuedPrompt(P1, 1.0, job_id=job, job_id_from="node", created_at=now)
    bench.server.pending = [first, replace(first, prompt_id=P2, first_prompt_id=P1)]
    bench.passes(2)
    assert [p.prompt_id for p in bench.store.views.prompts(job)] == [P1, P2]
    assert bench.row(job)["comfyui_job_id"] == P1
