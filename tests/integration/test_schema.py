"""What is done to a database never seen before, and what is said about one that will not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest

from reconciler.errors import DatabaseError, TableError
from reconciler.store import open_store
from reconciler.store.table import OPTIONAL
from tests.integration.reconciling import Bench, success

P1 = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def connection(database: str) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        yield connection


def execute(connection: psycopg2.extensions.connection, statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def columns(connection: psycopg2.extensions.connection, table: str) -> set[str]:
    found = execute(
        connection,
        f"select attname from pg_attribute where attrelid = '{table}'::regclass and attnum > 0",
    )
    return {str(name) for (name,) in found}


def test_the_default_table_is_created(
    database: str, connection: psycopg2.extensions.connection
) -> None:
    open_store(database).connection.close()
    expected = {"id", "comfyui_job_id", "status", "metadata", *OPTIONAL}
    assert columns(connection, "production_jobs") == expected


def test_opening_again_changes_nothing(
    database: str, connection: psycopg2.extensions.connection
) -> None:
    open_store(database).connection.close()
    execute(connection, "insert into production_jobs (comfyui_job_id) values ('kept')")
    open_store(database).connection.close()
    rows = execute(connection, "select comfyui_job_id, status from production_jobs")
    assert rows == [("kept", "queued")]


def test_many_may_prepare_a_database_at_once(database: str) -> None:
    errors: list[Exception] = []

    def prepare() -> None:
        try:
            open_store(database).connection.close()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_missing_updated_at_is_added_and_the_rest_left_alone(
    database: str, connection: psycopg2.extensions.connection
) -> None:
    execute(
        connection,
        "create table production_jobs (id serial primary key, status text, comfyui_job_id text)",
    )
    store = open_store(database)
    assert columns(connection, "production_jobs") == {
        "id",
        "status",
        "comfyui_job_id",
        "updated_at",
    }
    assert set(store.table.missing()) == set(OPTIONAL) - {"updated_at"}
    store.connection.close()


@pytest.mark.parametrize("lacking", ["status", "comfyui_job_id"])
def test_a_table_without_a_needed_column(
    database: str, connection: psycopg2.extensions.connection, lacking: str
) -> None:
    rest = {"id": "serial", "status": "text", "comfyui_job_id": "text"}
    del rest[lacking]
    definition = ", ".join(f"{name} {kind}" for name, kind in rest.items())
    execute(connection, f"create table production_jobs ({definition})")
    with pytest.raises(TableError, match=f"lacks the column {lacking}.*ALTER TABLE") as caught:
        open_store(database)
    # What it says to do is what helps.
    execute(connection, str(caught.value).split("What to do: ")[1])
    open_store(database).connection.close()


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("serial", "7"),
        ("bigint", "9000000000"),
        ("uuid", "0b9f4c62-3f1b-4c55-9a55-0a53b2f5f5aa"),
        ("text", "shot 7/take 2"),
        ("varchar(40)", "it's"),
    ],
)
def test_keys_of_every_type(
    database: str,
    connection: psycopg2.extensions.connection,
    tmp_path: Path,
    kind: str,
    key: str,
) -> None:
    execute(
        connection,
        f"create table production_jobs (id {kind} primary key, status text default 'queued',"
        " comfyui_job_id text, output_path text)",
    )
    bench = Bench(database, tmp_path)
    bench.sql("insert into production_jobs (id, comfyui_job_id) values (%s, %s)", key, P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(2)
    row = bench.row(key)
    assert (row["status"], row["output_path"]) == ("completed", str(bench.root / "a.png"))
    bench.close()


def test_a_table_in_another_schema(
    database: str, connection: psycopg2.extensions.connection, tmp_path: Path
) -> None:
    execute(connection, "create schema studio")
    execute(
        connection,
        "create table studio.\"Jobs\" (id serial primary key, status text default 'queued',"
        " comfyui_job_id text)",
    )
    bench = Bench(database, tmp_path, jobs_table="studio.Jobs")
    job = bench.sql('insert into studio."Jobs" (comfyui_job_id) values (%s) returning id', P1)
    bench.server.end(P1, success(bench.image("a.png")))
    bench.passes(2)
    assert job == [{"id": 1}]
    assert bench.sql('select status from studio."Jobs"') == [{"status": "completed"}]
    bench.close()


def test_the_story_is_append_only(
    database: str, connection: psycopg2.extensions.connection
) -> None:
    open_store(database).connection.close()
    execute(
        connection,
        "insert into reconciler.events (job_id, attempt, kind, reason) values ('1', 1, 'seen', '')",
    )
    for statement in ("delete from reconciler.events", "update reconciler.events set reason = 'x'"):
        with pytest.raises(psycopg2.errors.RaiseException, match="append-only"):
            execute(connection, statement)


def test_a_wrong_password_is_told_without_the_password(database: str) -> None:
    parts = urlsplit(database)
    wrong = parts._replace(netloc=f"{parts.username}:hush@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(DatabaseError, match="check user and password") as caught:
        open_store(wrong)
    assert "hush" not in str(caught.value)


def test_nobody_listens() -> None:
    with pytest.raises(DatabaseError, match="is Postgres running there"):
        open_store("postgresql://u@127.0.0.1:1/x", connect_timeout_s=2.0)


def test_a_database_that_does_not_exist(database: str) -> None:
    with pytest.raises(DatabaseError, match="create it, or correct the name"):
        open_store(urlsplit(database)._replace(path="/nowhere").geturl())


def test_no_right_to_create(database: str, connection: psycopg2.extensions.connection) -> None:
    execute(connection, "create role guest login password 'guest'")
    try:
        parts = urlsplit(database)
        guest = parts._replace(netloc=f"guest:guest@{parts.hostname}:{parts.port}").geturl()
        with pytest.raises(DatabaseError, match="needs CREATE on the database"):
            open_store(guest)
    finally:
        execute(connection, "drop role guest")
