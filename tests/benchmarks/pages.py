"""What a page of jobs costs among very many, beside reading all of them once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import psycopg2
from rich.console import Console
from rich.table import Table

from reconciler.core.jobs import FailureCode, Status
from reconciler.store import Store, open_store
from reconciler.store.job_filter import JobFilter, Sort

_JOBS, _JOBS_QUICK = 1_000_000, 100_000
_TIMES = 5
_HISTORY = """
insert into production_jobs (comfyui_job_id, status, created_at)
select 'old-' || n, case n % 5 when 0 then 'failed' else 'completed' end,
       now() - interval '60 days' + n * interval '1 s'
from generate_series(1, {jobs}) n;
insert into reconciler.job_state (job_id, known_status, failure, decided_at, server, rule)
select id::text, status, case status when 'failed' then 'lost' end, created_at, 'gpu', 'success'
from production_jobs;
insert into production_jobs (status) select 'queued' from generate_series(1, 20);
analyze;
"""
#: What is asked for: a filter, and the order.
_ASKED: tuple[tuple[str, JobFilter, Sort], ...] = (
    ("the newest", JobFilter(), Sort.CREATED),
    ("those decided last", JobFilter(), Sort.UPDATED),
    ("by key", JobFilter(), Sort.ID),
    ("by status", JobFilter(), Sort.STATUS),
    ("open ones", JobFilter(statuses=frozenset({Status.QUEUED})), Sort.CREATED),
    ("lost ones", JobFilter(failures=frozenset({FailureCode.LOST})), Sort.UPDATED),
    ("none of that status", JobFilter(statuses=frozenset({Status.CANCELLED})), Sort.ID),
    ("of a server that has none", JobFilter(servers=frozenset({"x"})), Sort.UPDATED),
    ("a text that is nowhere", JobFilter(text="nowhere"), Sort.ID),
)


def run(console: Console, url: str, *, quick: bool) -> None:
    """Prints the table."""
    jobs = _JOBS_QUICK if quick else _JOBS
    with closing(open_store(url)) as store:
        _execute(url, "drop index production_jobs_created_at_idx")
        _execute(url, _HISTORY.format(jobs=jobs))
        everything_s = _median(store.stats.by_status)
        table = Table(title=f"A page of 50 among {jobs:,} jobs; 1 = counting all by status once")
        for column in ("page", "ms", "ratio", "ms with an index on created_at"):
            table.add_column(column, justify="left" if column == "page" else "right")
        without = [_page_s(store, *asked[1:]) for asked in _ASKED]
        _execute(url, "create index on production_jobs (created_at); analyze production_jobs")
        for (name, job_filter, sort), page_s in zip(_ASKED, without, strict=True):
            again = f"{1000 * _page_s(store, job_filter, sort):.1f}"
            by_age = again if sort is Sort.CREATED else ""
            table.add_row(name, f"{1000 * page_s:.1f}", f"{page_s / everything_s:.2f}", by_age)
    console.print(table)


def _page_s(store: Store, job_filter: JobFilter, sort: Sort) -> float:
    return _median(partial(store.pages.page, job_filter, sort=sort))


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TIMES):
        began_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - began_s)
    return statistics.median(times)


def _execute(url: str, statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statements)
