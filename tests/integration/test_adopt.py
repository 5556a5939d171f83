"""`reconciler adopt` against real tables: what it recognises, and that it only looks."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.adopt import looking
from reconciler.adopt.facts import Kind
from reconciler.adopt.reading import read_tables
from reconciler.adopt.sampling import sampled
from reconciler.settings import load
from reconciler.store import open_store
from tests.integration.adopting import Desk
from tests.integration.commands import environment, fits, is_plain, joined
from tests.integration.conftest import execute
from tests.integration.studio_tables import STUDIO_TABLES, WITH_PARAMETERS, StudioTable
from tests.integration.tables import run_sql
from tests.postgres import NO_PGBOUNCER, PGBOUNCER, pgbouncer
from tests.unit.cli.conftest import logging_as_it_was  # noqa: F401 - a fixture

#: The commands set logging up for their process, which is ours.
pytestmark = pytest.mark.usefixtures("logging_as_it_was")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    # Not the zone of the machine that runs the tests.
    run_sql(database, f'alter database "{urlsplit(database).path[1:]}" set timezone to "Etc/UTC"')
    return Desk(database, tmp_path, monkeypatch, capsys)


def everything(url: str) -> tuple[bytes, dict[str, list[tuple[Any, ...]]]]:
    """The whole database: as pg_dump writes it, byte for byte, and the versions of every row, which
    tell of a change that was taken back, and of a lock."""
    program = next(Path(sys.prefix).rglob("pginstall18/bin/pg_dump"))
    # The key of a dump is new each time.
    command = [program, "--restrict-key=x", url]
    dump = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    rows: dict[str, list[tuple[Any, ...]]] = {}
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select oid::regclass::text from pg_class where relkind = 'r' and not relisshared"
            " and relname !~ '^pg_statistic'"  # an ANALYZE may come along
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"select ctid, xmin, xmax from only {name} order by ctid")
            rows[name] = cursor.fetchall()
    return dump, rows


@pytest.mark.parametrize("studio", STUDIO_TABLES, ids=lambda studio: studio.name)
def test_nothing_in_the_database_changes(desk: Desk, studio: StudioTable) -> None:
    run_sql(desk.url, studio.ddl)
    before = everything(desk.url)
    done = desk.adopt("--yes")
    assert done.returncode == 0, done.stderr
    assert desk.config.exists()
    assert everything(desk.url) == before


def test_a_default_with_side_effects_is_refused_by_postgres_itself(desk: Desk) -> None:
    """A view that writes when it is read: the transaction is read-only, so it cannot."""
    run_sql(
        desk.url,
        "create table log (id int); create function note() returns text volatile language sql as"
        " $$ insert into log values (1); select 'pending' $$;"
        "create view jobs as select 1 as id, note() as status, ''::text as prompt_id",
    )
    told = desk.told("jobs")
    assert "cannot execute INSERT in a read-only transaction" in told
    assert not everything(desk.url)[1]["log"]


@pytest.mark.parametrize("studio", STUDIO_TABLES, ids=lambda studio: studio.name)
def test_the_example_of_each_shape_is_what_adopt_writes(desk: Desk, studio: StudioTable) -> None:
    """Each example is its own upper part, with what adopt adds to it."""
    example = (ROOT / f"config/examples/adopting-{studio.name.replace('_', '-')}.yaml").read_text(
        encoding="utf-8"
    )
    run_sql(desk.url, studio.ddl)
    if studio is WITH_PARAMETERS:
        run_sql(desk.url, ROWS)
    desk.config.write_text(example.partition("\njobs:")[0], encoding="utf-8")
    done = desk.adopt("--yes")
    assert done.returncode == 0, done.stderr
    assert desk.config.read_text(encoding="utf-8") == example


def test_the_page_shows_what_is_shown(desk: Desk) -> None:
    page = (ROOT / "docs/adopt.md").read_text(encoding="utf-8")
    transcript = page.partition("$ reconciler adopt\n")[2].partition("\nWrite this into")[0]
    run_sql(desk.url, WITH_PARAMETERS.ddl)
    run_sql(desk.url, ROWS.replace("'completed'", "'done'").replace("'processing'", "'running'"))
    run_sql(
        desk.url, "insert into production_jobs (id, status) values ('a', 'draft'), ('b', 'error')"
    )
    desk.config.write_text(SERVERS, encoding="utf-8")
    shown = desk.adopt().stdout.replace(str(desk.config), "/srv/reconciler.yaml")
    # Version, name and size stand above.
    assert shown.partition("setting ")[2].strip() == transcript.partition("setting ")[2].strip()


SERVERS = """\
servers:
  - url: http://127.0.0.1:8188
    output_dir: /srv/comfy/output
"""
ROWS = """
insert into production_jobs (id, job_type, parameters, status, progress, result_path)
select 'job-' || n, 'video', jsonb_build_object('frames', 72, 'seed', n),
       case when n < 9 then 'completed' else 'processing' end, case when n < 9 then 1 else 0.4 end,
       case when n < 9 then '/out/' || n || '.mp4' end
from generate_series(1, 10) n
"""


def test_a_copy_of_the_reference_decides_nothing_and_keeps_its_comments(desk: Desk) -> None:
    """Who starts with the reference has every setting in the file: all at its default."""
    reference = (ROOT / "config/reconciler.yaml").read_text(encoding="utf-8")
    run_sql(desk.url, WITH_PARAMETERS.ddl + ROWS)
    expected = desk.proposal()["settings"]["jobs"]
    desk.config.write_text(reference, encoding="utf-8")
    assert desk.proposal()["settings"]["jobs"] == expected
    assert desk.adopt("--yes").returncode == 0
    new = desk.config.read_text(encoding="utf-8")
    comments = [line for line in reference.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in new.splitlines() if line.lstrip().startswith("#")] == comments
    assert len(new.splitlines()) == len(reference.splitlines())
    assert "Nothing to do" in desk.adopt().stderr


def test_the_second_time_there_is_nothing_to_do(desk: Desk) -> None:
    run_sql(desk.url, WITH_PARAMETERS.ddl)
    assert desk.adopt("--yes").returncode == 0
    before = desk.config.read_bytes()
    again = desk.adopt()
    assert again.returncode == 0
    assert "Nothing to do" in again.stderr
    assert desk.config.read_bytes() == before


def test_the_prompts_id_is_found_once_the_statement_that_is_told_was_run(desk: Desk) -> None:
    run_sql(desk.url, WITH_PARAMETERS.ddl)
    assert desk.adopt("--yes").returncode == 0
    assert desk.written()["jobs"]["columns"]["prompt_id"] is False
    told = next(n for n in desk.proposal()["notes"] if n["kind"] == "todo")
    assert "extra_data.job_id" in told["text"]
    run_sql(desk.url, told["advice"])
    assert desk.adopt("--yes").returncode == 0
    assert load(config=desk.config, environ={}).jobs.columns.prompt_id == "comfyui_job_id"


MIXED = """
create schema "Studio";
create type "Studio"."Job State" as enum ('PENDING', 'RUNNING', 'DONE', 'ERROR');
create table "Studio"."Render Jobs 100%" (
    "jobId" uuid primary key default gen_random_uuid(),
    "comfyUIJobId" text,
    "State" "Studio"."Job State" not null default 'PENDING',
    owner text not null,
    "resultPath" text,
    error boolean not null default false,
    "failureReason" varchar(80),
    "progress %" numeric(5, 2),
    params jsonb,
    "createdAt" timestamp not null default now(),
    "finishedAt" timestamptz
);
insert into "Studio"."Render Jobs 100%"
    ("comfyUIJobId", "State", owner, "resultPath", "progress %", params, "createdAt")
select gen_random_uuid(), (array['PENDING', 'RUNNING', 'DONE', 'ERROR'])[1 + n % 4]::
       "Studio"."Job State", 'x', case when n % 4 = 2 then '/out/' || n || '.mp4' end, n % 100,
       jsonb_build_object('video', jsonb_build_object('frames', n)),
       now() at time zone 'Asia/Tokyo' - n * interval '1 min'
from generate_series(1, 100) n;
create table production_jobs_history (id serial primary key, status text, prompt_id text);
create table orders (id serial primary key, status text default 'new');
create view "Studio".open_jobs as select * from "Studio"."Render Jobs 100%" where "State" < 'DONE';
"""


def test_other_names_in_another_schema(desk: Desk) -> None:
    run_sql(desk.url, MIXED)
    found = desk.proposal()
    assert found["table"] == "Studio.Render Jobs 100%"
    assert found["settings"]["database"] == {"jobs_table": "Studio.Render Jobs 100%"}
    assert found["settings"]["jobs"] == {
        "columns": {
            "id": "jobId",
            "status": "State",
            "prompt_id": "comfyUIJobId",
            "frames": {"column": "params", "path": ["video", "frames"]},
            "created_at": "createdAt",
            "output_path": "resultPath",
            "error": "failureReason",
            "updated_at": False,
            "completed_at": "finishedAt",
        }
        | {"progress": "progress %"},
        "statuses": {
            "queued": ["PENDING"],
            "processing": ["RUNNING"],
            "completed": ["DONE"],
            "failed": ["ERROR"],
            "cancelled": [],
        },
        "timezone": "Etc/GMT-9",
    }
    told = desk.told()
    assert "failureReason takes 80 characters: a longer reason is cut" in told
    assert "NOT NULL without a default: owner. Harmless" in told


def test_what_is_written_opens(desk: Desk) -> None:
    """The store takes what adopt wrote, for a table that is as odd as names allow."""
    run_sql(desk.url, MIXED)
    assert desk.adopt("--yes").returncode == 0
    settings = load(config=desk.config, environ={"RECONCILER_DATABASE__URL": desk.url})
    store = open_store(
        desk.url, jobs_table=settings.database.jobs_table, jobs=settings.jobs, create=True
    )
    try:
        assert len(store.jobs.open_jobs(late_s=1.0)) == 50
    finally:
        store.connection.close()


def test_a_view_is_adopted_if_it_is_named(desk: Desk) -> None:
    run_sql(desk.url, MIXED)
    found = desk.proposal("Studio.open_jobs")
    assert found["settings"]["jobs"]["columns"]["id"] == "jobId"
    assert "it is a view of" in desk.told("Studio.open_jobs")


VIEWS = {
    "create view v as select j.*, o.note from jobs j join others o using (id)": "problem",
    "create view v as select id, max(status) as status, max(prompt_id) as prompt_id from jobs group"
    " by id": "problem",
    "create view v as select * from jobs": "note",
    "create view v as select j.*, o.note from jobs j join others o using (id);"
    "create function write() returns trigger language plpgsql as 'begin return new; end';"
    "create trigger t instead of update on v for each row execute function write()": "note",
    "create materialized view v as select * from jobs": "problem",
}


@pytest.mark.parametrize("ddl", VIEWS)
def test_views(desk: Desk, ddl: str) -> None:
    run_sql(
        desk.url,
        "create table jobs (id serial primary key, status text, prompt_id text);"
        f"create table others (id int, note text); {ddl}",
    )
    kinds = {note["kind"] for note in desk.proposal("v")["notes"] if " view" in note["text"]}
    assert kinds == {VIEWS[ddl]}
    assert desk.proposal()["table"] == "jobs"


KEYS = {
    "serial": "id serial primary key",
    "bigint": "id bigint generated always as identity primary key",
    "uuid": "id uuid primary key default gen_random_uuid()",
    "text": "id text primary key",
    "varchar": "id varchar(40) unique not null",
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys(desk: Desk, kind: str) -> None:
    run_sql(desk.url, f"create table jobs ({KEYS[kind]}, status text, prompt_id uuid)")
    found = desk.proposal()
    assert [note for note in found["notes"] if note["kind"] == "problem"] == []
    assert next(c for c in found["choices"] if c["setting"] == "jobs.columns.id")["value"] == "id"


@pytest.mark.parametrize(
    ("ddl", "why"),
    [
        ("a int, b int, status text, prompt_id text, primary key (a, b)", "a and b together"),
        ("status text, prompt_id text", "it has no key"),
        ("id int unique, status text, prompt_id text", "its key id may be null"),
        (
            "id serial primary key, status text check (status in ('x', 'y'))",
            "Nothing is guessed",
        ),
    ],
)
def test_what_cannot_be_adopted_says_why(desk: Desk, ddl: str, why: str) -> None:
    run_sql(desk.url, f"create table jobs ({ddl})")
    done = desk.adopt("--yes")
    assert done.returncode == 3
    assert why in joined(done.stdout)
    assert "solve the problem above" in joined(done.stderr)
    assert not desk.config.exists()


def test_words_of_a_check_in_another_language(desk: Desk) -> None:
    """What is asked for can be answered in the settings; then the rest follows."""
    run_sql(
        desk.url,
        "create table jobs (id serial primary key, prompt_id text, status varchar(20) default"
        " 'wartend' check (status in ('wartend', 'laufend', 'fertig', 'fehler')))",
    )
    assert "'wartend' (0 rows), 'laufend' (0 rows)" in desk.told()
    words = {"queued": "wartend", "processing": "laufend", "completed": "fertig"}
    desk.config.write_text(json.dumps({"jobs": {"statuses": {**words, "failed": "fehler"}}}))
    done = desk.adopt("--yes")
    assert done.returncode == 0, done.stdout
    read = load(config=desk.config, environ={})
    assert read.jobs.statuses.cancelled == ()
    assert read.jobs.statuses.queued == ("wartend",)
    assert read.jobs.columns.prompt_id == "prompt_id"


def test_the_search_path_decides_which_of_two_is_seen(desk: Desk) -> None:
    run_sql(
        desk.url,
        "create schema other; create schema studio;"
        "create table other.jobs (id serial primary key, status text, prompt_id text);"
        "create table studio.jobs (id serial primary key, status text, prompt_id text)",
    )
    done = desk.adopt("--yes")
    assert done.returncode == 3
    assert "Choose one with --table NAME" in joined(done.stderr)
    assert "--table other.jobs" in done.stdout
    url = f"{desk.url}?options=-c%20search_path%3Dstudio"
    assert dataclasses.replace(desk, url=url).proposal()["table"] == "studio.jobs"
    assert desk.proposal("other.jobs")["table"] == "other.jobs"


def test_no_table_and_a_mistyped_one(desk: Desk) -> None:
    assert desk.adopt("--yes").returncode == 3
    run_sql(desk.url, "create table render_jobs (id serial primary key, status text)")
    done = desk.adopt("--table", "render_job")
    assert done.returncode == 3
    assert "did you mean render_jobs" in joined(done.stderr)
    assert desk.adopt("--table", 'a"b').returncode == 2


def test_a_database_that_is_away(desk: Desk) -> None:
    done = desk.adopt("--yes", RECONCILER_DATABASE__URL="postgresql://app:hidden@127.0.0.1:1/prod")
    assert done.returncode == 3
    assert "Connection refused" in joined(done.stderr)
    assert "hidden" not in done.stderr


def test_for_programs(desk: Desk) -> None:
    run_sql(desk.url, WITH_PARAMETERS.ddl)
    expected = desk.proposal()
    done = desk.adopt("--json", "--yes")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {**expected, "written": True}
    assert desk.written() == expected["settings"]
    assert json.loads(desk.adopt("--json").stdout)["written"] is False


def test_for_programs_without_a_table(desk: Desk) -> None:
    run_sql(desk.url, "create table orders (id serial primary key, status text)")
    done = desk.adopt("--json", "--yes")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert told["table"] is None
    assert [each["table"] for each in told["candidates"]] == ["orders"]


def test_a_dot_in_a_name(desk: Desk) -> None:
    run_sql(desk.url, 'create table "my.jobs" (id serial primary key, status text, prompt_id text)')
    assert desk.adopt("--yes").returncode == 0
    assert desk.written()["database"]["jobs_table"] == '"my.jobs"'
    assert "Nothing to do" in desk.adopt().stderr


@pytest.fixture
def guest(desk: Desk) -> Iterator[Desk]:
    """A user who may nothing but connect."""
    execute(desk.url, "CREATE ROLE adopt_guest LOGIN PASSWORD 'secret'")
    parts = urlsplit(desk.url)
    netloc = f"adopt_guest:secret@{parts.hostname}:{parts.port}"
    yield dataclasses.replace(desk, url=parts._replace(netloc=netloc).geturl())
    execute(desk.url, "DROP OWNED BY adopt_guest")
    execute(desk.url, "DROP ROLE adopt_guest")


def test_a_user_without_rights_is_told_what_to_ask_for(desk: Desk, guest: Desk) -> None:
    """Each statement that is told can be run, and in the end the store opens."""
    run_sql(desk.url, f"create schema app; {STUDIO_TABLES[0].ddl}; ")
    for _ in range(3):
        todo = [n["advice"] for n in guest.proposal()["notes"] if n["kind"] == "todo"]
        for statement in todo:
            run_sql(desk.url, statement.partition(" or set ")[0])
    assert todo == []
    assert guest.adopt("--yes").returncode == 0
    settings = load(config=guest.config, environ={})
    open_store(guest.url, jobs=settings.jobs).connection.close()


def test_our_own_tables_go_where_the_user_may_create(desk: Desk, guest: Desk) -> None:
    run_sql(desk.url, f"{STUDIO_TABLES[0].ddl}; grant all on production_jobs to adopt_guest;")
    run_sql(desk.url, "create schema sandbox authorization adopt_guest")
    assert guest.adopt("--yes").returncode == 0
    settings = load(config=guest.config, environ={})
    assert settings.database.own_schema == "sandbox"
    own = settings.database.own_schema
    open_store(guest.url, jobs=settings.jobs, own_schema=own).connection.close()


def test_our_own_tables_go_to_another_database(desk: Desk, guest: Desk, postgres_url: str) -> None:
    run_sql(desk.url, f"{STUDIO_TABLES[0].ddl}; grant all on production_jobs to adopt_guest;")
    done = guest.adopt("--yes", "--own-url", postgres_url)
    assert done.returncode == 0, done.stderr
    assert "two commits, the row first, and no SQL can join them" in joined(done.stdout)
    written = guest.written()["database"]["own_url"]
    assert urlsplit(written).password is None
    password = urlsplit(postgres_url).password
    assert password
    assert password not in done.stdout + done.stderr


def test_what_people_see_fits_the_screen_and_moves_no_cursor(desk: Desk) -> None:
    hostile = "\x1b[31m[red]\x1b]0;t\x07\u202e\n- x"
    run_sql(
        desk.url,
        "create table jobs (id serial primary key, prompt_id text, status text, "
        f'"error_{hostile[:20]}" text, "{hostile}" text not null);'
        f"insert into jobs (status, \"{hostile}\") values ('done', 'x'), ($${hostile}$$, 'x'),"
        " ('pending', 'x')",
    )
    done = desk.adopt("--yes")
    assert done.returncode == 0, done.stderr
    assert is_plain(done.stdout + done.stderr)
    assert fits(done.stdout.replace(str(desk.folder), "/etc"))  # a path is shown whole
    load(config=desk.config, environ={})


def test_without_a_terminal_nothing_is_written_unasked(desk: Desk) -> None:
    run_sql(desk.url, STUDIO_TABLES[0].ddl)
    done = desk.adopt()
    assert done.returncode == 1
    assert "Write it with --yes" in joined(done.stderr)
    assert "queued: [pending]" in done.stdout
    dry = desk.adopt("--dry-run", "--yes")
    assert dry.returncode == 0
    assert not desk.config.exists()


def test_a_password_is_neither_shown_nor_written(desk: Desk) -> None:
    run_sql(desk.url, STUDIO_TABLES[0].ddl)
    desk.config.write_text(f"database: {{url: '{desk.url}'}}\nservers: []\n", encoding="utf-8")
    done = desk.adopt("--yes", "--table", "production_jobs", RECONCILER_DATABASE__URL="")
    assert done.returncode == 0, done.stderr
    other = desk.folder / "other.yaml"
    given = ("--yes", "--database", desk.url, "--config", str(other))
    more = desk.adopt(*given, RECONCILER_CONFIG="", RECONCILER_DATABASE__URL="")
    assert more.returncode == 0, more.stderr
    password = urlsplit(desk.url).password
    assert password
    for shown in (done, more):
        assert password not in shown.stdout + shown.stderr
    assert password not in other.read_text()
    address = load(config=other, environ={}).database.dsn or ""
    assert urlsplit(address).path == urlsplit(desk.url).path


def test_an_environment_that_says_otherwise_is_told(desk: Desk) -> None:
    run_sql(desk.url, "create table jobs (id serial primary key, status text, prompt_id text)")
    done = desk.adopt("--yes", "--table", "jobs", RECONCILER_DATABASE__JOBS_TABLE="other")
    assert done.returncode == 3
    assert "environment variable" in joined(done.stderr)
    assert not desk.config.exists()


@pytest.mark.skipif(not PGBOUNCER.exists(), reason=NO_PGBOUNCER)
def test_through_pgbouncer_it_is_the_same(desk: Desk, servers_dir: Path) -> None:
    run_sql(desk.url, MIXED)
    with pgbouncer(desk.url, servers_dir / "pgbouncer-adopt") as pooled:
        through = dataclasses.replace(desk, url=pooled).proposal()
    assert through == desk.proposal()


def test_a_large_table_is_not_waited_for(desk: Desk) -> None:
    """Rows that take too long: the catalog alone has to do, and it says so."""
    run_sql(
        desk.url,
        "create view jobs as select n as id, 'done'::text as status, ''::text as prompt_id from"
        " generate_series(1, 3) n where pg_sleep(4) is not null",
    )
    look = looking.Looking(desk.url, connect_timeout_s=5, patience_s=0.2)
    try:
        (table,) = read_tables(look, own_schema="reconciler", name=("jobs",))
        assert table.kind is Kind.VIEW
        assert "statement timeout" in (sampled(look, table, ["status"]).sample.trouble or "")
        assert read_tables(look, own_schema="reconciler")
    finally:
        look.close()


def test_what_is_kept_compressed_is_not_read(desk: Desk) -> None:
    """A few kilobytes in the table may be megabytes in memory, of each of the rows."""
    run_sql(
        desk.url,
        "create table jobs (id int primary key, state text, spec jsonb, prompt_id text);"
        " insert into jobs select n, repeat('x', 1000000),"
        " json_build_object('frames', n, 'p', repeat('x', 1000000)) from generate_series(1, 3) n;",
    )
    with looking.looking(desk.url, connect_timeout_s=5) as look:
        (table,) = read_tables(look, own_schema="reconciler", name=("jobs",))
        sample = sampled(look, table, ["state"]).sample
    assert sample.of("spec").count == 0
    assert {len(word) for word in sample.statuses["state"]} == {300}


def test_texts_that_are_none(desk: Desk) -> None:
    """A database of encoding SQL_ASCII takes any bytes: its catalog alone has to do."""
    name = f"{urlsplit(desk.url).path[1:]}_bytes"
    execute(desk.url, f"create database {name} encoding 'SQL_ASCII' locale 'C' template template0")
    url = urlsplit(desk.url)._replace(path=f"/{name}").geturl()
    try:
        run_sql(
            url,
            "create table jobs (id int primary key, status text, prompt_id text);"
            r" insert into jobs values (1, E'\xe9', null)",
        )
        with looking.looking(url, connect_timeout_s=5) as look:
            (table,) = read_tables(look, own_schema="reconciler", name=("jobs",))
            assert "no UTF-8" in (sampled(look, table, ["status"]).sample.trouble or "")
    finally:
        execute(desk.url, f"drop database {name}")


def talk(desk: Desk, *answers: str) -> tuple[int, str]:
    """The command on a terminal, answered line by line."""
    main, side = pty.openpty()
    where = {"RECONCILER_CONFIG": str(desk.config), "RECONCILER_DATABASE__URL": desk.url}
    command = [Path(sys.executable).with_name("reconciler"), "adopt"]
    process = subprocess.Popen(
        command, env=environment(**where), stdin=side, stdout=side, stderr=side, close_fds=True
    )
    os.close(side)
    os.write(main, "".join(f"{answer}\n" for answer in answers).encode())
    shown = b""
    try:
        while part := os.read(main, 4096):
            shown += part
    except OSError:
        pass  # the other side was closed
    os.close(main)
    return process.wait(60), shown.decode()


def test_a_person_is_asked_for_what_only_people_know(desk: Desk) -> None:
    run_sql(
        desk.url,
        "create table jobs (id serial primary key, prompt_id text, status text default 'wartend');"
        "insert into jobs (status) values ('fertig'), ('fertig'), ('entwurf'), ('wartend')",
    )
    # The most frequent first: fertig, entwurf, wartend; a wrong answer is asked again.
    code, shown = talk(desk, "what", "completed", "", "queued", "y")
    assert code == 0, shown
    read = load(config=desk.config, environ={}).jobs.statuses
    assert (read.queued, read.completed, read.failed) == (("wartend",), ("fertig",), ("failed",))
    assert "'entwurf' (1 row). Rows with" in joined(shown)


def test_a_person_may_decline(desk: Desk) -> None:
    run_sql(desk.url, STUDIO_TABLES[0].ddl)
    code, shown = talk(desk, "n")
    assert code == 1
    assert "Nothing was written." in shown
    assert not desk.config.exists()
