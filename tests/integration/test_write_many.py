"""Decisions written in batches: of each job all or nothing, and none waits for another."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from reconciler.core.jobs import FailureCode, Status
from reconciler.errors import LeaseLost
from reconciler.store.connection import Cursor
from reconciler.store.records import Event, JobRecord, RowChange, Write
from tests.integration.studio_tables import WITH_TRIGGER
from tests.integration.tables import Stage, run_sql, stage, wipe

DDL = """create table production_jobs (
    id serial primary key, comfyui_job_id text, status text, error text)"""


@pytest.fixture
def bench(module_database: str, tmp_path: Path) -> Iterator[Stage]:
    wipe(module_database)
    with stage(module_database, tmp_path, DDL) as made:
        yield made


def failing(record: JobRecord) -> Write:
    """The decision that a job failed."""
    change = RowChange(
        status=Status.FAILED,
        failure=FailureCode.LOST,
        stage=None,
        server=None,
        prompt_id=None,
        queue_position=None,
        progress=None,
        eta_s=None,
        rule="lost",
        reason="nobody knows it",
        output_path=None,
    )
    return Write(record, change, Event("status", change.reason, to_status="failed", rule="lost"))


def seen(bench: Stage, number: int) -> list[Write]:
    """Jobs that are known, with a decision about each."""
    bench.sql(
        "insert into production_jobs (status) select 'queued' from generate_series(1, %s)", number
    )
    bench.store.jobs.see_many(bench.store.jobs.open_jobs(late_s=0))
    return [failing(record) for record in bench.store.jobs.open_jobs(late_s=0)]


def told(bench: Stage) -> dict[str, tuple[str, str, int]]:
    """Of each job: what its row says, what we know, and how often its story says that it failed."""
    rows = bench.sql(
        "select j.id::text, j.status, s.known_status, (select count(*)::int"
        " from reconciler.events e where e.job_id = s.job_id and to_status = 'failed') as told"
        " from production_jobs j join reconciler.job_state s on s.job_id = j.id::text order by j.id"
    )
    return {row["id"]: (row["status"], row["known_status"], row["told"]) for row in rows}


DONE, LEFT = ("failed", "failed", 1), ("queued", "queued", 0)


def test_what_changed_meanwhile_is_left_and_the_rest_is_written(bench: Stage) -> None:
    writes = seen(bench, 5)
    bench.sql("update production_jobs set status = 'cancelled' where id = 2")
    bench.sql("update production_jobs set comfyui_job_id = 'another' where id = 3")
    bench.sql("update reconciler.job_state set attempt = 2 where job_id = '4'")
    written = bench.store.jobs.write_many(writes)
    assert (written.done, written.refused) == ({"1", "5"}, {})
    assert told(bench) == {
        "1": DONE,
        "2": ("cancelled", "queued", 0),
        "3": LEFT,
        "4": LEFT,
        "5": DONE,
    }
    assert bench.store.jobs.write_many(writes).done == set(), "nobody tells a thing twice"


def test_one_row_that_is_refused_is_found_among_many(bench: Stage) -> None:
    writes = seen(bench, 100)
    run_sql(bench.url, "alter table production_jobs add check (id <> 64 or status = 'queued')")
    written = bench.store.jobs.write_many(writes)
    assert written.refused.keys() == {"64"}
    assert "violates check constraint" in str(written.refused["64"])
    assert len(written.done) == 99
    assert [job for job, says in told(bench).items() if says != DONE] == ["64"]
    assert told(bench)["64"] == LEFT


def test_a_batch_hints_once_at_its_newest_event(bench: Stage) -> None:
    writes = seen(bench, 20)
    with closing(psycopg2.connect(bench.url)) as listener, listener.cursor() as cursor:
        listener.autocommit = True
        cursor.execute("listen reconciler")
        bench.store.jobs.write_many(writes)
        assert select.select([listener], [], [], 10.0)[0]
        listener.poll()
        newest = bench.sql("select max(id) as id from reconciler.events")[0]["id"]
        assert [notify.payload for notify in listener.notifies] == [f"event {newest}"]


def test_more_than_a_batch(bench: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.writing.MAX_BATCH", 7)
    assert len(bench.store.jobs.write_many(seen(bench, 30)).done) == 30
    assert set(told(bench).values()) == {DONE}


def test_a_state_that_another_reconciler_has_in_hand_is_not_waited_for(bench: Stage) -> None:
    writes = seen(bench, 2)
    with closing(psycopg2.connect(bench.url)) as other, other.cursor() as cursor:
        cursor.execute("select from reconciler.job_state where job_id = '1' for update")
        assert bench.store.jobs.write_many(writes).done == {"2"}
    assert told(bench) == {"1": LEFT, "2": DONE}


class Guard:
    """Holds until it has been asked so many times."""

    def __init__(self, holds: int) -> None:
        self.left = holds

    def __call__(self, cursor: Cursor) -> None:
        self.left -= 1
        if self.left < 0:
            raise LeaseLost("somebody else's")


def test_without_the_guard_nothing_is_written(bench: Stage) -> None:
    writes = seen(bench, 2)
    bench.store.connection.guard = Guard(0)
    with pytest.raises(LeaseLost):
        bench.store.jobs.write_many(writes)
    assert set(told(bench).values()) == {LEFT}


def test_rows_elsewhere_are_committed_while_the_guard_holds(
    database: str, elsewhere: str, tmp_path: Path
) -> None:
    """It is asked before the intention is noted, before the rows are written, and before they are
    committed."""
    table = WITH_TRIGGER
    with stage(database, tmp_path, table.ddl, table.mapping, own_url=elsewhere) as made:
        job = made.insert(**table.new_row)
        made.store.jobs.see_many(made.store.jobs.open_jobs(late_s=0))

        def decided() -> list[Write]:
            return [failing(record) for record in made.store.jobs.open_jobs(late_s=0)]

        for holds in (0, 1, 2):
            writes = decided()
            made.store.connection.guard = Guard(holds)
            with pytest.raises(LeaseLost):
                made.store.jobs.write_many(writes)
            made.store.connection.guard = Guard(100)
            assert made.word(job) == "pending"
            assert made.kinds(job) == ["seen"]
        assert made.store.jobs.write_many(decided()).done == {job}
        assert made.word(job) == "failed"


def test_what_the_application_does_to_many_is_followed_together(
    bench: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(bench, 40)
    transactions = []
    writing = bench.store.connection.writing
    monkeypatch.setattr(
        bench.store.connection, "writing", lambda: transactions.append(1) or writing()
    )
    bench.sql("update production_jobs set status = 'cancelled'")
    bench.run_pass()
    assert {says[:2] for says in told(bench).values()} == {("cancelled", "cancelled")}
    bench.sql("update production_jobs set status = 'queued'")
    bench.run_pass()
    attempts = "select attempt, known_status, count(*)::int as jobs from reconciler.job_state"
    assert bench.sql(f"{attempts} group by 1, 2") == [
        {"attempt": 2, "known_status": "queued", "jobs": 40}
    ]
    kinds = "select kind, count(*)::int as number from reconciler.events group by 1 order by 1"
    told_of = {row["kind"]: row["number"] for row in bench.sql(kinds)}
    assert (told_of["application"], told_of["reopened"]) == (40, 40)
    assert len(transactions) < 10


def test_rows_are_found_by_an_index_on_the_status(database: str, tmp_path: Path) -> None:
    """Whatever its type: a million ended jobs must not be read for the open ones."""
    words = "'queued', 'processing', 'completed', 'failed'"
    types = {
        "varchar(20)": "",
        "job_state": f"create type job_state as enum ({words});",
        "word": "create domain word as text check (length(value) < 20);",
    }
    for number, (kind, definition) in enumerate(types.items()):
        table = f"jobs_{number}"
        ddl = f"""
        {definition}
        create table {table} (id serial primary key, comfyui_job_id text, status {kind});
        insert into {table} (status) select 'completed' from generate_series(1, 20000);
        create index on {table} (status);
        insert into {table} (status) values ('queued');
        analyze {table};
        """
        with stage(
            database, tmp_path / table, ddl, table=table, own_schema=f"own_{number}"
        ) as made:
            assert len(made.store.jobs.open_jobs(late_s=0)) == 1
        read: Any = made.sql(
            "select seq_tup_read as n from pg_stat_user_tables where relname = %s", table
        )
        assert read[0]["n"] < 30000, f"{kind}: once, to index it"
