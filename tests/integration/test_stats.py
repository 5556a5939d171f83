"""Jobs in numbers, over a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.store.stats import Endings, OpenJobs, Stretch
from tests.integration.commands import Stage

HOUR_S = 3600.0


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def test_rows_are_counted_by_status(stage: Stage) -> None:
    for status in ("queued", "completed", "completed"):
        stage.insert(status=status)
    assert stage.store.stats.by_status() == {
        "queued": 1,
        "processing": 0,
        "completed": 2,
        "failed": 0,
        "cancelled": 0,
    }


def test_endings_are_counted_by_hour_and_reason(stage: Stage) -> None:
    stage.known("processing")
    for hours, status, failure in (
        (10.1, "completed", None),
        (10.9, "completed", None),
        (10.5, "failed", "lost"),
        (11.5, "failed", "stalled"),
        (1.0, "failed", "lost"),
    ):
        job_id = stage.known(status, failure=failure)
        stage.sql(
            "update reconciler.job_state set decided_at = to_timestamp(%s) where job_id = %s",
            hours * HOUR_S,
            job_id,
        )
    stage.sql(
        "update reconciler.job_state set decided_at = now() where known_status = 'processing'"
    )
    assert stage.store.stats.endings(10 * HOUR_S, HOUR_S) == [
        Endings(10 * HOUR_S, "completed", None, 2),
        Endings(10 * HOUR_S, "failed", "lost", 1),
        Endings(11 * HOUR_S, "failed", "stalled", 1),
    ]
    assert stage.store.stats.history(10 * HOUR_S, 12.5 * HOUR_S, HOUR_S) == [
        Stretch(10 * HOUR_S, completed=2, failed=1, failures={"lost": 1}),
        Stretch(11 * HOUR_S, failed=1, failures={"stalled": 1}),
        Stretch(12 * HOUR_S),
    ]


def test_open_jobs_are_counted_by_what_they_wait_for(stage: Stage) -> None:
    for rule, server in (("running", "gpu"), ("running", "gpu"), ("blocked", None)):
        stage.known("processing", rule=rule, server=server)
    stage.known("completed", rule="success")
    assert sorted(stage.store.stats.open(), key=str) == [
        OpenJobs("processing", "blocked", None, 1),
        OpenJobs("processing", "running", "gpu", 2),
    ]


def test_who_has_waited_longest_comes_first(stage: Stage) -> None:
    late = stage.known("queued")
    early = stage.known("queued", opened_at="2020-01-01")
    stage.known("processing", opened_at="2019-01-01")
    assert stage.store.stats.oldest_waiting(5) == [early, late]
    assert stage.store.stats.oldest_waiting(1) == [early]


def test_a_forgotten_job_waits_for_nothing_and_nobody(stage: Stage) -> None:
    """Its row stays queued: an alert on the longest wait would never end."""
    job_id = stage.known("queued", rule="pending")
    assert stage.store.stats.longest_wait_s() is not None
    stage.sql("update reconciler.job_state set forgotten_at = now() where job_id = %s", job_id)
    assert stage.store.stats.longest_wait_s() is None
    assert stage.store.stats.oldest_waiting(5) == []
    assert stage.store.stats.open() == []


def test_run_times_are_told_for_all_and_by_type(stage: Stage) -> None:
    assert stage.store.stats.run_times(0.0) == []
    for n in range(1, 12):
        stage.sql(
            "insert into reconciler.runs (prompt_id, job_id, attempt, server, job_type, ended_at,"
            " kind, ran_s, waited_s) values (%s, 'j', 1, 'gpu', %s, now(), %s, %s, %s)",
            str(n),
            "video" if n > 1 else None,
            "success" if n < 11 else "error",
            float(n),
            None if n == 1 else 2.0,
        )
    everything, video, untyped = stage.store.stats.run_times(0.0)
    assert (everything.job_type, everything.number) == (None, 10)
    assert everything.ran_p50_s == pytest.approx(5.5)
    assert (video.job_type, video.number, video.waited_p90_s) == ("video", 9, 2.0)
    assert (untyped.job_type, untyped.number, untyped.waited_p50_s) == (None, 1, None)
