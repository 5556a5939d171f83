"""Doctor and a real Postgres: what it says of rights is true, and its advice can be executed."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.doctor import embedded as doctor_embedded
from reconciler.doctor.database import check_database
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.jobs_table import columns_read, columns_written
from reconciler.errors import DatabaseError
from reconciler.outputs.mounts import Mount
from reconciler.settings import Settings, load
from reconciler.store import embedded, open_store
from reconciler.store.queries import query as store_query
from tests.integration.conftest import execute
from tests.unit.doctor.nobody import as_nobody

ROLE = "doctor_app"


def settings(url: str | None, **more: Any) -> Settings:
    database = {"connect_timeout_s": 2, **({} if url is None else {"url": url}), **more}
    return load(config=Path("/dev/null"), flags={"database": database})


def look(url: str, **more: Any) -> list[Finding]:
    return list(check_database(settings(url, **more)))


def bad(findings: list[Finding], *levels: Level) -> list[Finding]:
    return [each for each in findings if each.level in (levels or (Level.FAILED,))]


@dataclass(frozen=True)
class Application:
    """A role without rights in an empty database, and the superuser beside it."""

    url: str
    superuser: str

    def allow(self, *statements: str) -> None:
        for statement in statements:
            execute(self.superuser, statement)

    def can_work(self) -> bool:
        """What doctor's word is held against: opening the store and writing a row, for real."""
        try:
            store = open_store(self.url)
        except DatabaseError:
            return False
        try:
            store.jobs.open_jobs(late_s=1.0)
            with store.connection.transaction() as cursor:
                written = ", ".join(f"{c} = {c}" for c in columns_written(store.table))
                read = ", ".join(columns_read(store.table))
                cursor.execute(f"update production_jobs set {written} where id = -1")
                cursor.execute(f"select {read} from production_jobs where id = -1")
        except DatabaseError:
            return False
        finally:
            store.connection.close()
        return True


@pytest.fixture
def app(database: str) -> Iterator[Application]:
    execute(database, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'")
    parts = urlsplit(database)
    netloc = f"{ROLE}:secret@{parts.hostname}:{parts.port}"
    yield Application(parts._replace(netloc=netloc).geturl(), database)
    execute(database, f"DROP OWNED BY {ROLE}")
    execute(database, f"DROP ROLE {ROLE}")


TABLE = "CREATE TABLE production_jobs (id serial PRIMARY KEY, status text, comfyui_job_id text)"
MAY_MAKE_A_SCHEMA = (
    "DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO doctor_app', current_database());"
    " END $$"
)
MAY_MAKE_A_TABLE = f"GRANT CREATE ON SCHEMA public TO {ROLE}"
EVERYTHING = f"GRANT ALL ON production_jobs TO {ROLE}"


def prepared_by_somebody_else(app: Application) -> None:
    open_store(app.superuser).connection.close()
    app.allow(MAY_MAKE_A_SCHEMA, EVERYTHING)


SETUPS: dict[str, tuple[Callable[[Application], None], str]] = {
    "no right at all": (lambda app: None, "may not create a schema"),
    "no table, and no right to make one": (
        lambda app: app.allow(MAY_MAKE_A_SCHEMA),
        "may not create it",
    ),
    "a table that may not be used": (
        lambda app: app.allow(MAY_MAKE_A_SCHEMA, TABLE),
        "lacks SELECT (id, status, comfyui_job_id), UPDATE (status, comfyui_job_id)",
    ),
    "a table that may only be read": (
        lambda app: app.allow(
            MAY_MAKE_A_SCHEMA, TABLE, f"GRANT SELECT ON production_jobs TO {ROLE}"
        ),
        "lacks UPDATE (status, comfyui_job_id) on production_jobs",
    ),
    "our schema belongs to somebody else": (
        prepared_by_somebody_else,
        f"user {ROLE} may not use schema reconciler",
    ),
}


@pytest.mark.parametrize("setup", SETUPS)
def test_what_fails_here_fails_there_and_the_advice_heals_it(app: Application, setup: str) -> None:
    arrange, words = SETUPS[setup]
    arrange(app)
    failures = bad(look(app.url))
    assert words in failures[0].detail
    assert not app.can_work()
    for _ in range(3):  # one right may only be missed once another is there
        for failure in failures:
            grant = re.search(r'GRANT .*? TO "[^"]+"', failure.advice)
            assert grant is not None, failure
            app.allow(grant[0])
        failures = bad(look(app.url))
    assert failures == []
    assert app.can_work()


def test_rights_by_column_are_enough(app: Application) -> None:
    app.allow(
        MAY_MAKE_A_SCHEMA,
        TABLE.replace("status text", "status text, secret text"),
        f"GRANT SELECT (id, status, comfyui_job_id) ON production_jobs TO {ROLE}",
        f"GRANT UPDATE (status, comfyui_job_id) ON production_jobs TO {ROLE}",
    )
    assert bad(look(app.url)) == []
    assert app.can_work()


def test_with_both_rights_the_table_is_made_at_the_first_run(app: Application) -> None:
    app.allow(MAY_MAKE_A_SCHEMA, MAY_MAKE_A_TABLE)
    (finding,) = bad(look(app.url), Level.FAILED, Level.WARNING)
    assert finding.level is Level.WARNING
    assert "there is no table production_jobs yet" in finding.detail
    assert app.can_work()
    assert bad(look(app.url), Level.FAILED, Level.WARNING) == []


def test_a_schema_that_is_there_takes_no_right_to_make_one(app: Application) -> None:
    app.allow(f"CREATE SCHEMA reconciler AUTHORIZATION {ROLE}", TABLE, EVERYTHING)
    assert bad(look(app.url)) == []
    assert app.can_work()


def test_doctor_changes_nothing(database: str) -> None:
    look(database)
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('production_jobs'), to_regnamespace('reconciler')")
        assert cursor.fetchone() == (None, None)


def test_everything_is_well_after_the_first_run(database: str) -> None:
    open_store(database).connection.close()
    findings = look(database)
    assert bad(findings, Level.FAILED, Level.WARNING) == []
    said = {each.what: each.detail for each in findings}
    assert said["database"].startswith("PostgreSQL ")
    assert "***" in said["database"]  # the password
    assert re.fullmatch(r"reconciler: revision \d{4}, up to date", said["database schema"])
    assert said["jobs table"].startswith("production_jobs: 12 columns, 0.0 MiB")


def test_a_table_of_another_name_and_schema(database: str) -> None:
    execute(database, 'CREATE SCHEMA "Shop"')
    (warned,) = bad(look(database, jobs_table="Shop.Jobs"), Level.WARNING)
    assert "there is no table Shop.Jobs yet" in warned.detail
    (failed,) = bad(look(database, jobs_table="nowhere.jobs"))
    assert "no schema to make it in" in failed.detail
    open_store(database, jobs_table="Shop.Jobs").connection.close()
    assert bad(look(database, jobs_table="Shop.Jobs"), Level.FAILED, Level.WARNING) == []


def test_a_column_that_nobody_can_do_without(database: str) -> None:
    execute(database, "CREATE TABLE production_jobs (id serial, status text)")
    (finding,) = bad(look(database))
    assert "lacks the column comfyui_job_id" in finding.detail
    execute(database, finding.advice)
    assert bad(look(database)) == []


def test_missing_columns_are_named_and_their_advice_adds_them(app: Application) -> None:
    app.allow(MAY_MAKE_A_SCHEMA, TABLE, EVERYTHING)
    (finding,) = bad(look(app.url), Level.WARNING)
    assert "progress: lost is progress in the row" in finding.detail
    app.allow(finding.advice)
    assert bad(look(app.url), Level.WARNING) == []


def test_an_enumeration_learns_our_words(database: str) -> None:
    execute(database, "CREATE TYPE stage AS ENUM ('queued', 'processing', 'done')")
    execute(database, TABLE.replace("status text", "status stage"))
    (finding,) = bad(look(database))
    assert "the type stage of column status does not know: completed, failed" in finding.detail
    for statement in finding.advice.split(";")[:-1]:
        execute(database, statement)
    assert bad(look(database)) == []


def test_rows_hidden_by_row_level_security(app: Application) -> None:
    app.allow(
        MAY_MAKE_A_SCHEMA,
        TABLE,
        EVERYTHING,
        "ALTER TABLE production_jobs ENABLE ROW LEVEL SECURITY",
    )
    hidden, _ = bad(look(app.url), Level.WARNING)[::-1]
    assert "row-level security is on" in hidden.detail
    app.allow(hidden.advice.split(";")[0])
    assert not [each for each in look(app.url) if "row-level" in each.detail]


def test_a_large_table_wants_an_index(database: str) -> None:
    execute(database, TABLE)
    assert not [each for each in look(database) if "index on status" in each.detail]
    execute(
        database,
        "INSERT INTO production_jobs (status, comfyui_job_id)"
        " SELECT 'completed', repeat('x', 1000) FROM generate_series(1, 10000)",
    )
    (finding,) = [each for each in look(database) if "index on status" in each.detail]
    assert finding.level is Level.WARNING
    execute(database, finding.advice)
    assert not [each for each in look(database) if "index on status" in each.detail]


def test_statuses_that_are_none_of_ours(database: str) -> None:
    execute(database, TABLE)
    execute(
        database,
        "INSERT INTO production_jobs (status) VALUES ('done'), ('done'), (null), ('queued'),"
        " (E'\\x1b[2J')",
    )
    (finding,) = [each for each in look(database) if each.what == "statuses"]
    assert finding.level is Level.WARNING
    assert "'done' (2 rows)" in finding.detail
    assert "'null' (1 rows)" in finding.detail
    assert "queued" not in finding.detail
    assert "left alone" in finding.detail
    assert finding.detail.isprintable()


def test_a_table_too_large_to_count_is_not_waited_for(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database, TABLE)
    monkeypatch.setattr("reconciler.doctor.jobs_table.query", impatient_query)
    (finding,) = [each for each in look(database) if each.what == "statuses"]
    assert finding.level is Level.OK
    assert finding.detail.startswith("not counted: ")


def impatient_query(name: str, **identifiers: Any) -> Any:
    """The same queries, but counting takes longer than its patience."""
    if name == "doctor_patience":
        return "select set_config('statement_timeout', '50ms', true)"
    if name == "doctor_statuses":
        return "select 'x' as status, 1 as rows from pg_sleep(30)"
    return store_query(name, **identifiers)


def test_a_read_only_database(app: Application) -> None:
    app.allow(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    (finding,) = bad(look(app.url))
    assert "it is read-only" in finding.detail
    assert finding.advice.startswith("name the primary in database.url")


def test_a_clock_that_is_wrong(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    an_hour_ago = SimpleNamespace(time=lambda: time.time() - 3600)
    monkeypatch.setattr("reconciler.doctor.database.time", an_hour_ago)
    (finding,) = [each for each in look(database) if each.what == "clocks"]
    assert finding.level is Level.WARNING
    assert re.search(r"3[56]\d\d\.\d s ahead of this machine's", finding.detail)


def unreachable(url: str) -> Finding:
    (finding,) = look(url)
    assert finding.level is Level.FAILED
    return finding


def test_nothing_listens(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    finding = unreachable(f"postgresql://app:secret@127.0.0.1:{port}/jobs")
    assert "Connection refused" in finding.detail
    assert "secret" not in finding.detail
    assert finding.advice.startswith("is Postgres running there")


def test_the_wrong_password(app: Application) -> None:
    finding = unreachable(app.url.replace(":secret@", ":wrong@"))
    assert "password authentication failed" in finding.detail
    assert finding.advice == "check user and password in the database URL"
    assert "wrong@" not in finding.detail


def test_no_such_database(database: str) -> None:
    finding = unreachable(urlsplit(database)._replace(path="/no_such").geturl())
    assert 'database "no_such" does not exist' in finding.detail
    assert finding.advice == "create it, or correct the name in the database URL"


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finding = unreachable(f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/jobs")
    assert "timeout" in finding.detail
    assert finding.advice


def embedded_look(data_dir: Path) -> list[Finding]:
    given = load(config=Path("/dev/null"), flags={"data_dir": data_dir})
    return list(check_database(given))


def test_an_embedded_server_that_was_never_started(new_data_dir: Path) -> None:
    (finding,) = embedded_look(new_data_dir)
    assert finding.level is Level.OK
    assert f"its data will lie in {new_data_dir}" in finding.detail
    assert not new_data_dir.exists()


def test_an_embedded_server_that_is_stopped_stays_so(data_dir: Path) -> None:
    (finding,) = embedded_look(data_dir)
    assert finding.level is Level.OK
    assert f"not running; `reconciler run` starts it, its data lies in {data_dir}" == finding.detail
    assert embedded.url_if_running(data_dir) is None


def test_an_embedded_server_that_runs_is_examined(data_dir: Path) -> None:
    embedded.ensure_running(data_dir)
    first, *others = embedded_look(data_dir)
    assert first.detail == f"running, data in {data_dir}"
    assert {"database", "clocks", "database schema", "jobs table"} <= {each.what for each in others}


def test_data_of_a_postgres_that_is_not_shipped(data_dir: Path) -> None:
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    (finding,) = bad(embedded_look(data_dir))
    assert "the data is of Postgres '9'" in finding.detail
    assert finding.advice.startswith("set database.url to a Postgres of your own")


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with as_nobody():
        (finding,) = bad(embedded_look(Path("/proc/data") if os.geteuid() else tmp_path / "data"))
    assert "cannot be written by this user" in finding.detail
    assert finding.advice.startswith("run doctor as the user of the service")


def test_a_data_directory_on_a_full_disk(
    new_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_embedded, "LITTLE_BYTES", 2**80)
    (finding,) = bad(embedded_look(new_data_dir), Level.WARNING)
    assert "MB are free where its data lies" in finding.detail
    assert finding.advice.startswith("free disk space")


def test_a_data_directory_on_a_network_share(
    new_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = Mount(str(new_data_dir.parent), "nfs4", "nas:/data")
    monkeypatch.setattr(doctor_embedded, "read_mounts", lambda: (share,))
    (finding,) = bad(embedded_look(new_data_dir), Level.WARNING)
    assert "of type nfs4" in finding.detail
    assert finding.advice == "choose a data_dir on a local disk"
