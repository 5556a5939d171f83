"""Among very many finished jobs a page is read in the order of an index: by Postgres' own plans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from reconciler.core.jobs import FailureCode, Status
from reconciler.store import Store, connection, open_store
from reconciler.store.job_filter import JobFilter, Sort
from tests.integration.conftest import execute
from tests.integration.test_plans import Recorder, complaints

FINISHED = 50_000
_HISTORY = f"""
insert into production_jobs (status, created_at)
select case n % 5 when 0 then 'failed' else 'completed' end, now() - n * interval '1 s'
from generate_series(1, {FINISHED}) n;
insert into reconciler.job_state (job_id, known_status, failure, decided_at, server)
select id::text, status, case status when 'failed' then 'lost' end, created_at, 'gpu'
from production_jobs;
insert into production_jobs (status) select 'queued' from generate_series(1, 3);
"""


@pytest.fixture(scope="module")
def crowded(module_database: str) -> Iterator[str]:
    open_store(module_database).close()
    execute(module_database, _HISTORY)
    execute(module_database, "vacuum analyze")
    yield module_database


@contextmanager
def recorded(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, Recorder]]:
    """A store, and what notes every statement of it."""
    recorder = Recorder()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "Cursor", recorder.cursor_class())
        with closing(open_store(database, create=False)) as store:
            yield store, recorder


def two_pages(store: Store, wanted: JobFilter, sort: Sort | None) -> int:
    first = store.pages.page(wanted, sort=sort)
    assert first.next is not None
    return len(first.jobs + store.pages.page(wanted, sort=sort, cursor=first.next).jobs)


@pytest.mark.parametrize(
    ("wanted", "sort"),
    [
        (JobFilter(), None),
        (JobFilter(), Sort.ID),
        (JobFilter(), Sort.UPDATED),
        (JobFilter(statuses=frozenset({Status.FAILED})), Sort.STATUS),
        (JobFilter(failures=frozenset({FailureCode.LOST})), None),
        (JobFilter(servers=frozenset({"gpu"})), None),
    ],
)
def test_no_page_reads_the_finished_jobs(
    crowded: str, wanted: JobFilter, sort: Sort | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded(crowded, monkeypatch) as (store, recorder):
        assert two_pages(store, wanted, sort) == 100
    texts = [text for text in recorder.texts.values() if "production_jobs" in text]
    texts += [text for text in recorder.texts.values() if "job_state s where" in text]
    assert texts
    assert not [wrong for text in texts for wrong in complaints(crowded, text)]


def test_few_of_very_many_are_found_by_their_status(
    crowded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded(crowded, monkeypatch) as (store, recorder):
        page = store.pages.page(JobFilter(statuses=frozenset({Status.QUEUED})))
    assert (len(page.jobs), page.next) == (3, None)
    (window,) = [text for text in recorder.texts.values() if "reconciler_number" in text]
    assert not complaints(crowded, window)


def test_the_first_of_all_are_found_without_reading_the_finished_ones(
    crowded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recorded(crowded, monkeypatch) as (store, recorder):
        listed = store.pages.listing(20)
    assert [view.status for view in listed[:4]] == ["queued", "queued", "queued", "completed"]
    assert len(listed) == 20
    texts = [text for text in recorder.texts.values() if "production_jobs" in text]
    assert texts
    assert not [wrong for text in texts for wrong in complaints(crowded, text)]
