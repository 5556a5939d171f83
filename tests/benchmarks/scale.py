"""What a pass costs with ever more open jobs, what writing together gains, what an index does."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg2
import structlog
from rich.console import Console
from rich.table import Table

from reconciler.store import Store, open_store
from reconciler.store.records import Event, JobRecord, RowChange, Write
from tests.benchmarks.measure import Place
from tests.benchmarks.scale_stage import SERVERS, Cost, Stage, fill, stage

#: Open jobs; and the last of them in a quick run.
JOBS = (100, 1_000, 10_000, 100_000)
QUICK_MOST = 10_000
#: Rows that are written one by one, and in batches, to compare.
ONE_BY_ONE, TOGETHER = 300, 5_000
FINISHED = 1_000_000


def run(console: Console, new_place: Callable[[], Place], *, quick: bool) -> None:
    """Measures and prints the three tables."""
    # A line for each row that changes is what the service writes; here it is noise.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    console.print(_passes(new_place, [n for n in JOBS if not quick or n <= QUICK_MOST]))
    console.print(_writes(new_place()))
    console.print(_index(new_place(), FINISHED // 10 if quick else FINISHED))


def _passes(new_place: Callable[[], Place], numbers: list[int]) -> Table:
    table = _table(f"A pass over so many open jobs on {SERVERS} servers: seconds of CPU")
    titles = ("open jobs", "first sight", "rows alone", "all asked", "an end on each", "µs a job")
    for title in (*titles, "statements", "requests", "wall s"):
        table.add_column(title, justify="right")
    for jobs in numbers:
        place = new_place()
        known = jobs > QUICK_MOST  # to see and link them all takes minutes of its own
        with stage(place.database_url, place.folder, jobs, known=known) as on:
            first, rows, asked, ended = _costs(on, times=1 if known else 3)
        table.add_row(
            f"{jobs:,}",
            "-" if known else f"{first.cpu_s:.3f}",
            *(f"{cost.cpu_s:.3f}" for cost in (rows, asked, ended)),
            f"{asked.cpu_s / jobs * 1e6:.0f}",
            str(asked.statements),
            str(asked.requests),
            f"{asked.wall_s:.3f}",
        )
    table.caption = "µs, statements, requests and wall: of a pass that asks all servers"
    return table


def _costs(on: Stage, times: int) -> tuple[Cost, Cost, Cost, Cost]:
    """At first sight; then medians of so many; then when the first of each queue has ended."""
    first = on.measure()
    on.measure()
    rows = _median([on.measure(look_at=()) for _ in range(times)])
    asked = _median([on.measure() for _ in range(times)])
    for server in on.servers.values():
        server.end(1)
    return first, rows, asked, on.measure()


def _median(costs: list[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.cpu_s)[len(costs) // 2]


def _writes(place: Place) -> Table:
    """The same change of row, state and story: a transaction for each, and for a thousand."""
    with closing(open_store(place.database_url)) as store:
        with closing(psycopg2.connect(place.database_url)) as raw, raw, raw.cursor() as cursor:
            fill(cursor, TOGETHER, SERVERS, known=True)
            cursor.execute("select current_setting('fsync'), current_setting('synchronous_commit')")
            fsync, commit = cursor.fetchone() or ("", "")
        records = store.jobs.open_jobs(late_s=0.0)
        single_s = _written(store, records[:ONE_BY_ONE], 1) / ONE_BY_ONE
        records = store.jobs.open_jobs(late_s=0.0)
        batch_s = _written(store, records, 1000) / len(records)
    table = _table(f"Rows written a second (fsync {fsync}, synchronous_commit {commit})")
    for title in ("one in a transaction", "1,000 in a transaction", "times"):
        table.add_column(title, justify="right")
    table.add_row(f"{1 / single_s:,.0f}", f"{1 / batch_s:,.0f}", f"{single_s / batch_s:.0f}")
    return table


def _written(store: Store, records: list[JobRecord], together: int) -> float:
    began_s = time.perf_counter()
    for start in range(0, len(records), together):
        writes = [_progressed(record) for record in records[start : start + together]]
        assert len(store.jobs.write_many(writes).done) == len(writes)
    return time.perf_counter() - began_s


def _progressed(record: JobRecord) -> Write:
    progress = (record.progress or 0) + 1
    change = RowChange(
        record.job.status, None, "running", "gpu0", record.row_prompt_id, None, progress, 60.0,
        f"rule {progress}", "running on gpu0", None,
    )  # fmt: skip
    event = Event("stage", change.reason, rule=change.rule)
    return Write(replace(record, row_progress=None), change, event)


def _index(place: Place, finished: int) -> Table:
    """Reading the open rows among very many finished ones."""
    with (
        closing(open_store(place.database_url)) as store,
        closing(psycopg2.connect(place.database_url)) as raw,
        raw.cursor() as cursor,
    ):
        raw.autocommit = True
        cursor.execute(
            "insert into production_jobs (comfyui_job_id, status)"
            " select 'old-' || n, 'completed' from generate_series(1, %s) n",
            (finished,),
        )
        cursor.execute(
            "insert into production_jobs (comfyui_job_id)"
            " select 'p-' || n from generate_series(1, 100) n"
        )
        cursor.execute("vacuum analyze production_jobs")
        with_s = _read_s(store)
        cursor.execute(
            "select indexrelid::regclass::text from pg_index"
            " where indrelid = 'production_jobs'::regclass and not indisprimary"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"drop index {name}")
        without_s = _read_s(store)
    table = _table(f"Reading 100 open rows among {finished:,} finished ones: ms")
    for title in ("index on the status", "no index", "times"):
        table.add_column(title, justify="right")
    table.add_row(f"{with_s * 1e3:.1f}", f"{without_s * 1e3:.1f}", f"{without_s / with_s:.0f}")
    return table


def _read_s(store: Store) -> float:
    taken_s = []
    for _ in range(5):
        began_s = time.perf_counter()
        store.jobs.open_jobs(late_s=0.0)
        taken_s.append(time.perf_counter() - began_s)
    return statistics.median(taken_s)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.caption_justify = "left"
    return table
