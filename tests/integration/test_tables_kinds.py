"""Names, views, partitions, triggers and rights that tables have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.errors import TableError
from reconciler.store import open_store
from tests.integration.conftest import execute
from tests.integration.reconciling import error, success
from tests.integration.tables import play, run_sql, stage, wipe
from tests.postgres import NO_DEBIAN, Postgres, debian_programs

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
P3 = "33333333-3333-4333-8333-333333333333"
COLUMNS = "(id serial primary key, comfyui_job_id text, status text default 'queued', error text)"


@pytest.fixture
def url(module_database: str) -> Iterator[str]:
    wipe(module_database)
    yield module_database


NAMES = {
    "mixed case": ('"Jobs"', "Jobs"),
    "as it is, without quotes": ('"Jobs"', '"Jobs"'),
    "a schema": ("shop.jobs", "shop.jobs"),
    "dots and quotes": ('"my shop"."jobs.of ""26"", 9 %"', '"my shop"."jobs.of ""26"", 9 %"'),
    "a word of SQL": ('"order"', "order"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name(url: str, tmp_path: Path, kind: str) -> None:
    spelt, setting = NAMES[kind]
    ddl = f'create schema shop; create schema "my shop"; create table {spelt} {COLUMNS}'
    with stage(url, tmp_path, ddl, table=setting) as bench:
        assert bench.word(play(bench, "completed")) == "completed"
        assert bench.store.views.count() == 1


def test_columns_of_any_name(url: str, tmp_path: Path) -> None:
    ddl = """create table jobs (
        "Job ID" serial primary key, "Status" text default 'queued', "the ""prompt"" id" text,
        "progress%" int, "file.path" text, "an error %s?" text)"""
    columns = {
        "id": "Job ID",
        "status": "Status",
        "prompt_id": 'the "prompt" id',
        "progress": "progress%",
        "output_path": "file.path",
        "error": "an error %s?",
    }
    with stage(url, tmp_path, ddl, {"columns": columns}, table="jobs") as bench:
        done, failed = play(bench, "completed"), play(bench, "failed")
        assert bench.row(done)["progress%"] == 100
        assert bench.row(done)["file.path"].endswith(".png")
        assert bench.row(failed)["an error %s?"].startswith("execution_error: ")
        assert {v.status for v in bench.store.pages.listing(2)} == {"completed", "failed"}
        tagged = bench.insert()
        bench.server.run(P1, job_id=tagged)
        bench.passes(2)
        assert bench.row(tagged)['the "prompt" id'] == P1


def test_a_schema_of_the_search_path(database: str, tmp_path: Path) -> None:
    name = urlsplit(database).path[1:]
    run_sql(database, f"create schema studio; alter database {name} set search_path to studio")
    with stage(database, tmp_path, f"create table production_jobs {COLUMNS}") as bench:
        assert bench.word(play(bench, "completed")) == "completed"
        assert bench.sql("select count(*)::int as n from studio.production_jobs") == [{"n": 1}]


VIEW = f"""
create table tasks {COLUMNS};
create view production_jobs as
    select id, comfyui_job_id, status, error, 'video' as job_type, now() as updated_at from tasks
    where status <> 'archived';
"""


def test_a_view(url: str, tmp_path: Path) -> None:
    """What it computes is read and not written."""
    with stage(url, tmp_path, VIEW) as bench:
        done, failed = play(bench, "completed"), play(bench, "failed")
        assert bench.sql("select status from tasks order by id") == [
            {"status": "completed"},
            {"status": "failed"},
        ]
        assert bench.row(failed)["error"].startswith("execution_error: ")
        view = bench.store.views.one(done)
        assert view is not None
        assert view.job_type == "video"


def test_a_view_with_a_trigger_instead(url: str, tmp_path: Path) -> None:
    ddl = f"""
    create table tasks {COLUMNS};
    create view production_jobs as select max(id) as id, comfyui_job_id, status from tasks
        group by comfyui_job_id, status;
    """
    with (
        pytest.raises(TableError, match=r"is a view that cannot be updated.*the table behind it"),
        stage(url, tmp_path, ddl),
    ):
        pass
    ddl = """
    drop view production_jobs;
    create view production_jobs as
        select t.id, t.comfyui_job_id, t.status from tasks t join (values (1)) v(x) on true;
    create function pass_on() returns trigger language plpgsql as $$
    begin
        update tasks set status = new.status, comfyui_job_id = new.comfyui_job_id where id = old.id;
        return new;
    end $$;
    create trigger pass_on instead of update on production_jobs
        for each row execute function pass_on();
    """
    with stage(url, tmp_path, ddl) as bench:
        bench.sql("insert into tasks (comfyui_job_id) values (%s)", P1)
        bench.server.end(P1, success(bench.image("a.png")))
        bench.passes(4)
        assert bench.sql("select status from tasks") == [{"status": "completed"}]


PARTITIONED = {
    "by time": """
        create table production_jobs (id bigint generated always as identity, comfyui_job_id text,
            status text default 'queued', created_at timestamptz default now())
            partition by range (created_at);
        create table of_today partition of production_jobs default;""",
    "by status": """
        create table production_jobs (id bigint generated always as identity, comfyui_job_id text,
            status text default 'queued') partition by list (status);
        create table of_open partition of production_jobs for values in ('queued', 'processing');
        create table of_ended partition of production_jobs default;""",
    "by inheritance": f"""
        create table production_jobs {COLUMNS};
        create table of_today () inherits (production_jobs);
        create function elsewhere() returns trigger language plpgsql as $$
        begin
            insert into of_today values (new.*);
            return null;
        end $$;
        create trigger elsewhere before insert on production_jobs
            for each row execute function elsewhere();""",
}


@pytest.mark.parametrize("kind", PARTITIONED)
def test_partitions(url: str, tmp_path: Path, kind: str) -> None:
    with stage(url, tmp_path, PARTITIONED[kind]) as bench:
        bench.sql("insert into production_jobs (comfyui_job_id) values (%s), (%s)", P1, P2)
        bench.server.end(P1, success(bench.image("a.png")))
        bench.server.end(P2, error())
        bench.passes(4)
        rows = bench.sql("select status from production_jobs order by id")
        assert [row["status"] for row in rows] == ["completed", "failed"]


@pytest.fixture
def debian(servers_dir: Path) -> Iterator[str]:
    """A server of Debian's, which has more extensions than the embedded one."""
    if not debian_programs():
        pytest.skip(NO_DEBIAN)
    server = Postgres(debian_programs()[-1], servers_dir / "with extensions")
    server.create()
    server.start()
    yield server.url
    server.stop("immediate")


def test_a_foreign_table(debian: str, tmp_path: Path) -> None:
    """Rows on another server, through postgres_fdw."""
    execute(debian, "create database there")
    there = urlsplit(debian)._replace(path="/there")
    run_sql(there.geturl(), f"create table production_jobs {COLUMNS}")
    ddl = f"""
    create extension postgres_fdw;
    create server there foreign data wrapper postgres_fdw
        options (host '127.0.0.1', port '{there.port}', dbname 'there');
    create user mapping for current_user server there
        options (user '{there.username}', password '{there.password}');
    import foreign schema public from server there into public;
    """
    with stage(debian, tmp_path, ddl) as bench:
        insert = f"insert into production_jobs (comfyui_job_id) values ('{P1}')"
        run_sql(there.geturl(), insert)
        bench.server.end(P1, success(bench.image("a.png")))
        bench.passes(4)
        assert bench.sql("select status from production_jobs") == [{"status": "completed"}]


PICKY = f"""
create table production_jobs {COLUMNS};
create function refuse() returns trigger language plpgsql as $$
begin
    if old.comfyui_job_id = '{P2}' and new.status = 'failed' then
        raise exception 'this one never fails';
    end if;
    return new;
end $$;
create trigger refuse before update on production_jobs for each row execute function refuse();
"""


def test_a_trigger_that_refuses_one_row(url: str, tmp_path: Path) -> None:
    with stage(url, tmp_path, PICKY) as bench:
        jobs = [bench.insert(comfyui_job_id=prompt_id) for prompt_id in (P1, P2, P3)]
        bench.server.running = []
        for prompt_id in (P1, P2, P3):
            bench.server.end(prompt_id, error())
        report = bench.run_pass()
        assert [bench.word(job) for job in jobs] == ["failed", "queued", "failed"]
        assert report.troubled == {jobs[1]}
        story = [event.event.to_status for event in bench.store.jobs.story(jobs[1])]
        assert "failed" not in story, "row and story go together"
        run_sql(url, "drop trigger refuse on production_jobs")
        bench.run_pass()
        assert bench.word(jobs[1]) == "failed"


def test_a_trigger_that_keeps_a_row_as_it_is(url: str, tmp_path: Path) -> None:
    """Returning null it leaves the row out, which is no failure of ours to write it."""
    ddl = PICKY.replace("raise exception 'this one never fails'", "return null")
    with stage(url, tmp_path, ddl) as bench:
        jobs = [bench.insert(comfyui_job_id=prompt_id) for prompt_id in (P1, P2)]
        for prompt_id in (P1, P2):
            bench.server.end(prompt_id, error())
        report = bench.run_pass()
        assert [bench.word(job) for job in jobs] == ["failed", "queued"]
        assert report.conflicts == 1


def test_a_row_that_somebody_has_locked_waits_and_others_do_not(url: str, tmp_path: Path) -> None:
    with stage(url, tmp_path, f"create table production_jobs {COLUMNS}") as bench:
        jobs = [bench.insert(comfyui_job_id=prompt_id) for prompt_id in (P1, P2)]
        for prompt_id in (P1, P2):
            bench.server.end(prompt_id, error())
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("select from production_jobs where id = %s for update", (jobs[0],))
            assert bench.run_pass().conflicts == 1
            assert [bench.word(job) for job in jobs] == ["queued", "failed"]
        bench.run_pass()
        assert bench.word(jobs[0]) == "failed"


ROLE = "studio_guest"


@pytest.fixture
def guest(database: str) -> Iterator[str]:
    """The URL of a role that may do nothing yet."""
    run_sql(database, f"create role {ROLE} login password 'secret'")
    parts = urlsplit(database)
    yield parts._replace(netloc=f"{ROLE}:secret@{parts.hostname}:{parts.port}").geturl()
    run_sql(database, f"drop owned by {ROLE}; drop role {ROLE}")


def test_no_right_to_create_or_alter(
    database: str, elsewhere: str, guest: str, tmp_path: Path
) -> None:
    """Rights on some columns, and a schema that a DBA made, or a database of our own."""
    ddl = f"""
    create table production_jobs (id serial primary key, comfyui_job_id text,
        status text default 'queued', error text, secret text, completed_at timestamptz);
    grant select (id, comfyui_job_id, status, error, completed_at),
          update (comfyui_job_id, status, error, completed_at) on production_jobs to {ROLE};
    create schema of_the_dba authorization {ROLE};
    insert into production_jobs (comfyui_job_id) values ('{P1}'), ('{P2}');
    """
    run_sql(database, ddl)
    with stage(guest, tmp_path, own_schema="of_the_dba") as bench:
        bench.server.end(P1, success(bench.image("a.png")))
        bench.passes(4)
        assert "updated_at" in bench.table.missing()
    with stage(guest, tmp_path / "two", own_url=elsewhere) as bench:
        bench.server.end(P2, error())
        bench.passes(4)
        rows = bench.sql("select status, error from production_jobs order by id")
    assert [row["status"] for row in rows] == ["completed", "failed"]
    assert rows[1]["error"].startswith("execution_error: ")


def test_rows_that_a_policy_hides(database: str, guest: str, tmp_path: Path) -> None:
    """They are nobody's; those that it shows are followed."""
    ddl = f"""
    create table production_jobs {COLUMNS};
    grant select, insert, update on production_jobs to {ROLE};
    grant usage on sequence production_jobs_id_seq to {ROLE};
    alter table production_jobs enable row level security;
    create policy ours on production_jobs to {ROLE} using (error is distinct from 'hidden');
    create schema reconciler authorization {ROLE};
    insert into production_jobs (comfyui_job_id, error) values ('{P2}', 'hidden');
    """
    run_sql(database, ddl)
    with stage(guest, tmp_path) as bench:
        bench.server.end(P2, error())
        assert bench.word(play(bench, "completed")) == "completed"
        assert bench.store.views.count() == 1
    store = open_store(database)
    with closing(store):
        statuses = {view.status for view in store.views.all()}
    assert statuses == {"queued", "completed"}
