"""Rows as people look at them, and waiting for NOTIFY, over a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from queue import SimpleQueue
from threading import Thread

import pytest

from reconciler.errors import DatabaseError
from reconciler.store.connection import Connection
from reconciler.store.listening import Listener
from reconciler.store.records import Event
from tests.integration.commands import Stage
from tests.waiting import wait_for


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def reason(stage: Stage, job_id: str) -> str | None:
    view = stage.store.views.one(job_id)
    assert view is not None
    return view.reason


def test_an_open_row_says_what_was_found_last(stage: Stage) -> None:
    job = stage.known("processing", reason="newest")
    stage.tell(job, Event("status", "older"))
    assert reason(stage, job) == "newest"


def test_a_verdict_is_told_as_the_story_tells_it(stage: Stage) -> None:
    job = stage.known("failed", failure="lost", reason="failed (lost); only a proven success, ...")
    stage.tell(job, Event("status", "not found"))
    stage.tell(job, Event("linked", "linked to something"))
    assert reason(stage, job) == "not found"


def test_an_applications_own_failure_is_explained_by_it(stage: Stage) -> None:
    job = stage.known("failed", {"error": "no credit left"}, reason="stale")
    stage.tell(job, Event("application", "the application set the row to failed"))
    assert reason(stage, job) == "no credit left"


def test_a_row_that_is_ahead_of_us_is_not_explained_by_what_we_knew(stage: Stage) -> None:
    job = stage.known("processing", reason="it runs")
    stage.sql("update production_jobs set status = 'failed', error = 'theirs'")
    assert reason(stage, job) == "theirs"
    stage.sql("update production_jobs set status = 'queued', error = null")
    assert reason(stage, job) is None


def test_a_row_that_nobody_has_seen(stage: Stage) -> None:
    job = stage.insert(status="queued", job_type="image")
    view = stage.store.views.one(job)
    assert view is not None
    assert (view.status, view.job_type, view.attempt, view.rule) == ("queued", "image", None, None)
    assert view.is_open


def test_an_adopted_table_with_odd_columns(stage: Stage) -> None:
    stage.sql("drop table production_jobs")
    stage.sql(
        "create table production_jobs (id text primary key, status text, comfyui_job_id text,"
        " progress numeric, frames smallint, created_at timestamp, error jsonb)"
    )
    stage.close()
    odd = Stage(stage.url)
    with closing(odd.store.connection):
        odd.insert(id="a b", status="queued", progress=12.6, frames=3, error='{"a": 1}')
        view = odd.store.views.one("a b")
    assert view is not None
    assert (view.progress, view.frames, view.error) == (13, 3, '{"a": 1}')


@pytest.mark.parametrize("text", ["x", "", "9" * 40, "1; drop table production_jobs", "\0"])
def test_a_text_that_is_no_key_is_no_job(stage: Stage, text: str) -> None:
    assert stage.store.views.one(text) is None
    assert stage.store.views.count() == 0


def test_other_errors_are_not_taken_for_a_missing_job(stage: Stage) -> None:
    stage.sql("drop table production_jobs")
    with pytest.raises(DatabaseError):
        stage.store.views.one("1")


def test_the_listing_is_bounded(stage: Stage) -> None:
    ids = [stage.insert(status="completed") for _ in range(5)]
    listed = stage.store.pages.listing(2)
    assert [view.id for view in listed] == [ids[4], ids[3]]
    assert len(stage.store.views.all()) == stage.store.views.count() == 5


def test_a_listener_hears_of_a_change_at_once(stage: Stage) -> None:
    heard: SimpleQueue[bool] = SimpleQueue()
    with Listener(stage.store.connection) as listener:
        assert not listener.wait(0.01)
        waiting = Thread(target=lambda: heard.put(listener.wait(60.0)))
        waiting.start()
        stage.sql("select pg_notify('reconciler', 'job 1')")
        assert heard.get(timeout=20.0)
        waiting.join()
        assert not listener.wait(0.01)


def test_a_listener_whose_connection_breaks_listens_again(stage: Stage) -> None:
    with Listener(stage.store.connection) as listener:
        listener.wait(0.01)
        stage.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'"
        )
        is_listening = "select true from pg_stat_activity where query ilike 'listen%'"
        wait_for(lambda: not listener.wait(0.01) and stage.sql(is_listening), "it listens again")
        stage.sql("select pg_notify('reconciler', 'job 1')")
        assert listener.wait(20.0)


def test_a_listener_without_a_database_only_waits() -> None:
    nowhere = Connection(
        "postgresql://127.0.0.1:1/nowhere", connect_timeout_s=1.0, statement_timeout_s=1.0
    )
    with Listener(nowhere) as listener:
        assert not listener.wait(0.01)
