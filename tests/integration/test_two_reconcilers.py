"""Two reconcilers on one database, such as the service and `reconciler once`: nothing is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.comfyui.values import QueuedPrompt
from tests.integration.reconciling import QUICK, Bench, success

P1 = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def quick(database: str, tmp_path: Path) -> Iterator[Bench]:
    """The one that is ahead."""
    bench = Bench(database, tmp_path)
    yield bench
    bench.close()


@pytest.fixture
def slow(database: str, tmp_path: Path, quick: Bench) -> Iterator[Bench]:
    """The one that works with what it read a moment ago. It sees the same server."""
    bench = Bench(database, tmp_path, policy=replace(QUICK, lost_confirmations=100))
    yield bench
    bench.close()


def after_reading(bench: Bench, happens: Callable[[], object]) -> None:
    """What happens between the reading of the rows and the rest of every pass."""
    read = bench.store.jobs.open_jobs

    def read_then(**how: float) -> object:
        records = read(**how)
        happens()
        return records

    bench.store.jobs.open_jobs = read_then  # type: ignore[method-assign, assignment]


def test_a_verdict_is_not_undone_by_a_stale_state(quick: Bench, slow: Bench) -> None:
    job = quick.insert(comfyui_job_id=P1)
    quick.server.run(P1)
    slow.server.run(P1)
    quick.run_pass()
    slow.run_pass()
    quick.server.forget(P1)
    slow.server.forget(P1)
    after_reading(slow, lambda: quick.passes(2))
    slow.run_pass()
    quick.passes(2)
    state = quick.sql("select failure, known_status from reconciler.job_state")[0]
    assert (quick.says(job)[0], state["failure"]) == ("failed", "lost")
    assert "application" not in quick.kinds(job)


def test_an_ending_once_stored_is_not_erased(quick: Bench, slow: Bench) -> None:
    job = quick.insert(comfyui_job_id=P1)
    quick.server.run(P1)
    quick.run_pass()
    slow.server.run(P1)  # it looked before the end
    ending = success(quick.image("a.png"))

    def ends() -> None:
        quick.server.end(P1, ending)
        quick.run_pass()

    after_reading(slow, ends)
    slow.live.node(P1, "3")
    slow.run_pass()
    quick.server.forget(P1)
    quick.passes(4)
    assert quick.says(job) == ("completed", None)


def test_a_cancel_is_told_of_once(quick: Bench, slow: Bench) -> None:
    job = quick.insert(comfyui_job_id=P1)
    quick.server.run(P1)
    quick.run_pass()
    quick.sql("update production_jobs set status = 'cancelled'")
    after_reading(slow, quick.run_pass)
    slow.run_pass()
    assert quick.kinds(job).count("application") == 1


def test_a_stage_is_told_of_once(quick: Bench, slow: Bench) -> None:
    job = quick.insert(comfyui_job_id=P1)
    quick.server.pending = [QueuedPrompt(P1, 1.0)]
    slow.server.pending = [QueuedPrompt(P1, 1.0)]
    after_reading(slow, quick.run_pass)
    slow.run_pass()
    assert quick.kinds(job).count("stage") == 1


def test_two_on_the_same_rows_agree_and_come_to_rest(quick: Bench, slow: Bench) -> None:
    job = quick.insert(comfyui_job_id=P1)
    ending = success(quick.image("a.png"))
    quick.server.end(P1, ending)
    slow.server.end(P1, ending)
    for _ in range(3):
        quick.run_pass()
        slow.run_pass()
    assert quick.says(job) == ("completed", None)
    story = quick.kinds(job)
    quick.run_pass()
    slow.run_pass()
    assert quick.kinds(job) == story
