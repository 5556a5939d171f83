"""Passes over a long queue: what one end moves is written at once, and only where it moved."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from reconciler.comfyui.values import QueuedPrompt
from reconciler.reconcile import servers
from reconciler.reconcile.changes import ETA_TOLERANCE
from tests.integration.reconciling import Bench, success

WAITING = 5


@pytest.fixture
def bench(database: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


def states(bench: Bench) -> list[dict[str, Any]]:
    return bench.sql(
        "select s.* from reconciler.job_state s join production_jobs j on j.id::text = s.job_id"
        " where j.status = 'queued' order by s.queue_position"
    )


def fill(bench: Bench) -> None:
    """One prompt runs, the others wait; all of them are known."""
    for number in range(WAITING + 1):
        bench.insert(comfyui_job_id=f"p{number}", frames=24)
    bench.server.pending = [QueuedPrompt(f"p{n}", float(n)) for n in range(1, WAITING + 1)]
    bench.server.run("p0")
    bench.passes(2)


def heard_so_far(bench: Bench, listener: psycopg2.extensions.connection) -> list[str]:
    """Hints arrive in order, so that all are there once one of our own is."""
    bench.sql("select pg_notify('reconciler', 'the end')")
    hints: list[str] = []
    while "the end" not in hints:
        assert select.select([listener], [], [], 10.0)[0]
        listener.poll()
        hints += [notify.payload for notify in listener.notifies]
        listener.notifies.clear()
    return hints


def test_who_waits_longer_has_longer_to_go(bench: Bench) -> None:
    fill(bench)
    eta_s = [state["eta_s"] for state in states(bench)]
    steps = [later - earlier for earlier, later in pairwise(eta_s)]
    assert len(eta_s) == WAITING
    # Each waits for one more prompt of the same length.
    assert steps == pytest.approx([steps[0]] * len(steps), rel=ETA_TOLERANCE)
    assert eta_s[0] > steps[0] > 0


def test_an_end_moves_all_that_wait_with_one_hint(bench: Bench) -> None:
    fill(bench)
    rows = bench.sql("select id, updated_at from production_jobs where comfyui_job_id > 'p1'")
    with closing(psycopg2.connect(bench.url)) as listener, listener.cursor() as cursor:
        listener.autocommit = True
        cursor.execute("listen reconciler")
        bench.server.end("p0", success(bench.image("a.png")))
        bench.server.run("p1")
        bench.run_pass()
        hints = heard_so_far(bench, listener)
    assert [state["queue_position"] for state in states(bench)] == list(range(1, WAITING))
    (hint,) = hints[:-1]
    newest = bench.sql("select max(id) as id from reconciler.events")[0]["id"]
    assert hint == f"event {newest}"
    again = bench.sql("select id, updated_at from production_jobs where comfyui_job_id > 'p1'")
    assert again == rows, "the application's rows say nothing new, so they are not touched"


def test_time_to_go_is_stored_anew_only_where_it_is_far_off(bench: Bench) -> None:
    fill(bench)
    written = "select xmin::text, job_id, eta_s from reconciler.job_state order by job_id"
    let_pass = "update reconciler.prompts set running_since = running_since - interval '1 s' * %s"
    before = bench.sql(written)
    bench.sql(let_pass, 5)
    bench.run_pass()
    assert bench.sql(written) == before, "a few seconds of many minutes are written nowhere"
    bench.sql(let_pass, 200)
    bench.run_pass()
    first, later = before[1]["eta_s"], bench.sql(written)[1]["eta_s"]
    # Less, and not by all that has passed: what has outlasted half of its like takes longer.
    assert first - 210.0 < later < first - 30.0


def test_storage_is_asked_once_a_look_for_prompts_that_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench)
    asked: list[Path] = []
    monkeypatch.setattr(servers, "storage_marker", lambda root: asked.append(root) or "same")
    bench.run_pass()
    assert asked == [bench.root]


def test_storage_is_asked_again_after_files_were_looked_for(bench: Bench) -> None:
    fill(bench)
    last = f"p{WAITING}"  # it is judged after all that wait, for whom the storage was asked
    bench.server.end(last, success(bench.image("a.png")))
    bench.run_pass()
    bench.settle()
    (server,) = bench.gatherer.servers.values()
    look_up = server.book.look_up

    def vanished(path: Path, **how: Any) -> Any:
        bench.root.rename(bench.root.with_name("away"))
        return look_up(path, **how)

    server.book.look_up = vanished  # type: ignore[assignment,method-assign]
    bench.reconciler.run_pass()
    job = bench.sql("select id::text from production_jobs where comfyui_job_id = %s", last)
    assert bench.says(job[0]["id"]) == ("processing", None), "out of sight is not missing"
