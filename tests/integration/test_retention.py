"""What nobody needs any more goes, and nothing else: on real tables and a real directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from comfy_node.contract import MANIFEST_DIR
from reconciler.doctor.own_sizes import check_sizes
from reconciler.retention import task as tasks
from reconciler.retention.events import Events
from reconciler.retention.jobs import Jobs
from reconciler.retention.keeper import Keeper, Quiet
from reconciler.retention.manifests import Manifests
from reconciler.retention.outputs import Outputs
from reconciler.retention.task import NOTHING, Keep, Pruned, Task
from reconciler.retention.thumbnails import Thumbnails
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.simulator import Simulator
from tests.integration.old_jobs import DAY_S, Past
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for


@pytest.fixture
def past(database: str, tmp_path: Path) -> Iterator[Past]:
    past = Past(database, tmp_path / "output")
    yield past
    past.close()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several of them."""
    for module in ("events", "jobs", "thumbnails", "outputs", "manifests", "runs"):
        monkeypatch.setattr(f"reconciler.retention.{module}.BATCH", 4)
    monkeypatch.setattr("reconciler.retention.keeper.PAUSE_S", 0.001)


def finish(task: Task) -> int:
    """A whole round of one task."""
    keeper = Keeper([task], 3600.0)
    return keeper.run_round().get(task.name, 0)


def test_stories_of_jobs_that_ended_long_ago_go_as_a_whole(past: Past) -> None:
    older = past.job("cancelled", 200)
    old = past.job("completed", 100, events=7)
    open_still = past.job("processing", 100, events=5)
    recent = past.job("failed", 80)
    assert finish(Events(past.store, Keep(days=90))) == 10
    assert past.stories() == {recent: 3, open_still: 5}
    assert {old, older}.isdisjoint(past.stories())
    assert finish(Events(past.store, Keep(days=90))) == 0


def test_stories_beyond_the_number_go_the_oldest_first(past: Past) -> None:
    first, second = past.job("completed", 50), past.job("completed", 40)
    kept = past.job("completed", 30)
    finish(Events(past.store, Keep(days=None, count=3)))
    assert past.stories() == {kept: 3}, (first, second)


def test_requests_about_rows_of_which_nothing_is_known_go_by_age(past: Past) -> None:
    job = past.job("processing", 200)
    past.sql(
        "insert into reconciler.requests (job_id, action, asked_by, asked_at)"
        " select w.job_id, 'recheck', 'ana', now() - w.days * interval '1 day'"
        " from (values (%s, 100), ('there', 5)) w(job_id, days)"
        " union all select 'gone ' || n, 'recheck', 'ana', now() - interval '100 days'"
        " from generate_series(1, 9) n",
        job,
    )
    assert finish(Jobs(past.store, Keep(days=90))) == 9
    left = past.sql("select job_id from reconciler.requests")
    assert {row["job_id"] for row in left} == {job, "there"}


def test_what_ended_yesterday_stays_whatever_the_number(past: Past) -> None:
    yesterday, today = past.job("failed", 1), past.job("completed", 0)
    finish(Events(past.store, Keep(days=None, count=1)))
    assert past.stories() == {yesterday: 3, today: 3}


def test_with_null_everything_stays(past: Past) -> None:
    job = past.job("completed", 5000)
    past.output("a.png", 5000, job, on_disk=False)
    past.manifest(past.prompt_of(job), 5000)
    for task in every_task(past, Keep(days=None)):
        assert task.run_once() == NOTHING
    assert past.stories() == {job: 3}


def every_task(past: Past, keep: Keep) -> list[Task]:
    store, directory = past.store, past.directory
    return [
        Events(store, keep),
        Jobs(store, keep),
        Thumbnails(store, keep),
        Outputs(store, keep, directory),
        Manifests(store, keep, directory),
    ]


def test_a_row_that_somebody_keeps_open_keeps_everything(past: Past) -> None:
    """It was overwritten so often that it is left alone: final for us, open for its owner."""
    job = past.job("queued", 400, known="completed")
    past.output("a.png", 400, job, on_disk=False)
    manifest = past.manifest(past.prompt_of(job), 400)
    for task in every_task(past, Keep(days=30)):
        if task.name != "thumbnails":
            finish(task)
    assert past.stories() == {job: 3}
    assert past.known_files() == {"a.png"}
    assert manifest.exists()
    assert past.sql("select job_id from reconciler.job_state")


def test_events_are_deleted_by_nobody_else(past: Past) -> None:
    past.job("completed", 400)
    open_still = past.job("queued", 400)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        past.sql("delete from reconciler.events")
    allowed = "set local reconciler_retention.deletes = 'on';"
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        past.sql(f"{allowed} delete from reconciler.events where job_id = %s", open_still)
    with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
        past.sql(f"{allowed} update reconciler.events set reason = 'another'")


def test_a_job_that_is_reopened_at_this_moment_keeps_its_story(past: Past) -> None:
    job = past.job("completed", 400)
    task = Events(past.store, Keep(days=90))
    looked_at = past.store.events
    reopen = "update reconciler.job_state set known_status = 'queued' where job_id = %s"

    def reopened(after: int, cutoff: object, batch: int) -> object:
        found = looked_at(after, cutoff, batch)  # type: ignore[arg-type]
        past.sql(reopen, job)
        return found

    past.store.events = reopened  # type: ignore[assignment,method-assign]
    assert task.run_once().removed == 0
    assert past.stories() == {job: 3}


def test_old_pictures_go_and_what_is_known_of_the_files_stays(past: Past) -> None:
    done, open_still = past.job("completed", 40), past.job("processing", 40)
    for number in range(6):
        past.output(f"old-{number}.png", 40, done, on_disk=True)
    past.output("open.png", 40, open_still, on_disk=True)
    past.output("young.png", 10, done, on_disk=True)
    assert finish(Thumbnails(past.store, Keep(days=30))) == 6
    assert past.pictured() == {"open.png", "young.png"}
    assert len(past.known_files()) == 8
    finish(Thumbnails(past.store, Keep(days=None, count=1)))
    assert past.pictured() == {"open.png", "young.png"}


def test_files_that_are_gone_are_forgotten_and_those_that_exist_stay_known(past: Past) -> None:
    done, open_still = past.job("completed", 100), past.job("processing", 100)
    for number in range(5):
        past.output(f"gone-{number}.png", 100, done, on_disk=False)
    past.output("there.png", 100, done, on_disk=True)
    past.output("orphan.png", 100, on_disk=True)
    past.output("orphan-gone.png", 100, on_disk=False)
    past.output("open-gone.png", 100, open_still, on_disk=False)
    past.output("young-gone.png", 50, done, on_disk=False)
    assert finish(Outputs(past.store, Keep(days=90), past.directory)) == 6
    known = {"there.png", "orphan.png", "open-gone.png", "young-gone.png"}
    assert past.known_files() == known
    listed = past.sql("select count(*) as n from reconciler.listings")[0]["n"]
    assert listed == len(known), "what nobody lists any more is not listed"


def test_what_another_agent_knows_under_another_path_is_not_gone(past: Past) -> None:
    """A standby has the same share mounted elsewhere, and took the server over."""
    past.output("../elsewhere/kept.png", 100, past.job("completed", 100), on_disk=False)
    past.sql("update reconciler.outputs set path = '/mnt/gpu/output/kept.png'")
    assert finish(Outputs(past.store, Keep(days=90), past.directory)) == 0
    assert past.known_files() == {"kept.png"}


def test_nothing_is_gone_while_the_storage_is_away(past: Past) -> None:
    past.output("gone.png", 100, on_disk=False)
    past.manifest("prompt-1", 100)
    past.there = False
    assert Outputs(past.store, Keep(days=90), past.directory).run_once() == NOTHING
    assert Manifests(past.store, Keep(days=90), past.directory).run_once() == NOTHING
    assert past.known_files() == {"gone.png"}


def test_storage_that_goes_away_under_our_hands_takes_nothing_along(past: Past) -> None:
    path = past.output("there.png", 100, on_disk=True)
    task = Outputs(past.store, Keep(days=90), past.directory)
    outputs = past.store.outputs

    def unmounted(*arguments: object) -> object:
        found = outputs(*arguments)  # type: ignore[arg-type]
        path.rename(past.root.with_name("elsewhere"))
        past.there = False
        return found

    past.store.outputs = unmounted  # type: ignore[assignment,method-assign]
    assert task.run_once() == NOTHING
    assert past.known_files() == {"there.png"}


def test_manifests_go_whose_job_is_final_and_old_and_whose_row_agrees(past: Past) -> None:
    done = [past.job("completed", 40) for _ in range(6)]
    removed = [past.manifest(past.prompt_of(job), 40) for job in done]
    deleted_row = past.job("failed", 40)
    removed.append(past.manifest(past.prompt_of(deleted_row), 40))
    past.sql("delete from production_jobs where id::text = %s", deleted_row)
    kept = [
        past.manifest(past.prompt_of(past.job("processing", 40)), 40),
        past.manifest(past.prompt_of(past.job("failed", 40, known="completed")), 40),
        past.manifest(past.prompt_of(past.job("completed", 1)), 40),
        past.manifest(past.prompt_of(past.job("completed", 40)), 20),
        past.manifest("another-database's", 40),
        past.root / "not-a-manifest.json",
    ]
    kept[-1].write_text("{}")
    assert finish(Manifests(past.store, Keep(days=30), past.directory)) == len(removed)
    assert not any(path.exists() for path in removed)
    assert all(path.exists() for path in kept)


def test_manifests_beyond_the_number_go_the_oldest_first(past: Past) -> None:
    paths = [past.manifest(past.prompt_of(past.job("completed", d)), d) for d in (9, 8, 7, 6)]
    finish(Manifests(past.store, Keep(days=None, count=2), past.directory))
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_manifest_that_was_replaced_meanwhile_stays(past: Past) -> None:
    path = past.manifest(past.prompt_of(past.job("completed", 40)), 40)
    task = Manifests(past.store, Keep(days=30), past.directory)
    statuses = past.store.statuses

    def replaced(job_ids: object) -> object:
        os.utime(path)
        return statuses(job_ids)  # type: ignore[arg-type]

    past.store.statuses = replaced  # type: ignore[assignment,method-assign]
    assert task.run_once().removed == 0
    assert path.exists()


def test_forgotten_jobs_leave_nothing_behind(past: Past) -> None:
    for _ in range(5):
        past.output(f"of-{past.job('completed', 400)}.png", 400, on_disk=True)
    kept = past.job("failed", 300)
    past.sql(
        "update reconciler.listings set prompt_id = 'prompt-1' where prompt_id like '%%-1.png'"
    )
    assert finish(Jobs(past.store, Keep(days=365))) == 5
    assert [row["job_id"] for row in past.sql("select job_id from reconciler.job_state")] == [kept]
    assert past.sql("select job_id from reconciler.prompts") == [{"job_id": kept}]
    assert not past.sql("select path from reconciler.listings where prompt_id = 'prompt-1'")
    assert finish(Events(past.store, Keep(days=90))) == 18, "a forgotten job's story goes by age"


def test_killed_in_the_middle_nothing_of_others_is_missing(past: Past) -> None:
    """kill -9 while it deletes: what it should not touch is whole, and the next round ends it."""
    for _ in range(40):
        past.job("completed", 100, events=50)
    kept = {past.job("processing", 100): 3, past.job("failed", 10): 3}
    process = subprocess.Popen([sys.executable, "-c", _PRUNER, past.url], stdout=subprocess.PIPE)
    total = 40 * 50 + 6
    try:
        wait_for(lambda: sum(past.stories().values()) < total, "it has begun")
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    left = past.stories()
    assert 6 < sum(left.values()) < total, "killed in the middle"
    assert kept.items() <= left.items()
    finish(Events(past.store, Keep(days=90)))
    assert past.stories() == kept


_PRUNER = """
import sys
from reconciler.retention import events, keeper
from reconciler.retention.task import Keep
from reconciler.store import open_store
from reconciler.store.retention import RetentionStore
events.BATCH, keeper.PAUSE_S = 20, 0.01
store = open_store(sys.argv[1])
own = store.connection
task = events.Events(RetentionStore(own, own, store.table), Keep(days=90))
keeper.Keeper([task], 3600.0).run_round()
"""


class _Endless:
    """A task that is never done, and says when it works."""

    name, lease = "endless", "*"

    def __init__(self) -> None:
        self.batches = threading.Semaphore(0)

    def run_once(self) -> Pruned:
        self.batches.release()
        return Pruned(1, more=True)


def test_no_batch_is_begun_while_a_pass_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.retention.keeper.FIRST_S", 0.001)
    task, quiet = _Endless(), Quiet()
    keeper = Keeper([task], 3600.0, passing=quiet)
    quiet.__enter__()
    keeper.start()
    assert not task.batches.acquire(timeout=0.1)
    quiet.__exit__()
    assert task.batches.acquire(timeout=30)
    keeper.stop()


def test_only_the_holder_of_the_lease_does_it() -> None:
    mine, others = _Endless(), _Endless()
    mine.lease, others.lease = "gpu0", "*"
    left = iter([True] * 5 + [False])
    keeper = Keeper([others, mine], 3600.0, holds=lambda server: server == "gpu0" and next(left))
    assert keeper.run_round() == {"endless": 5}
    assert not others.batches.acquire(blocking=False)


def test_batches_are_small() -> None:
    assert tasks.BATCH <= 1000


def test_the_service_removes_what_is_old_of_what_it_holds(past: Past, tmp_path: Path) -> None:
    """As a process: by its own settings, under its own leases, while it works."""
    old, recent = past.job("completed", 100), past.job("completed", 10)
    with Simulator(tmp_path / "comfy") as gpu:
        config = write_config(tmp_path, past.url, gpu, retention={"interval_s": 0.5})
        watch_it_go(past, gpu, config, old)
    assert recent in past.stories()


def watch_it_go(past: Past, gpu: Simulator, config: Path, old: str) -> None:
    manifests = gpu.output_dir / MANIFEST_DIR
    manifests.mkdir(exist_ok=True)
    manifest = manifests / f"{past.prompt_of(old)}.json"
    with running(config):
        rows = Rows(past.url)
        job_id = rows.insert(comfyui_job_id=gpu.submit(render_graph(frames=2, width=32, height=32)))
        rows.wait(job_id, "completed")
        manifest.write_text("{}", encoding="utf-8")
        then = manifest.stat().st_mtime - 100 * DAY_S
        os.utime(manifest, (then, then))
        wait_for(lambda: old not in past.stories(), "the old story is gone")
        wait_for(lambda: not manifest.exists(), "and its manifest")
    assert job_id in past.stories()


def test_doctor_says_how_large_our_tables_are(past: Past) -> None:
    past.job("completed", 1, events=1000)
    past.sql("analyze reconciler.events")
    (finding,) = check_sizes(past.connection)
    assert "events 0." in finding.detail
    assert "(1,000 rows)" in finding.detail
