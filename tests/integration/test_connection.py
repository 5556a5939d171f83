"""The connection to Postgres: what a transaction relies on, and how its ends are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.store.connection import Connection
from tests.faults.proxy import PostgresProxy, postgres_proxy, proxied_url
from tests.integration.conftest import execute


@pytest.fixture
def proxy(database: str) -> Iterator[PostgresProxy]:
    with postgres_proxy(database) as proxy:
        yield proxy


@pytest.fixture
def connection(database: str, proxy: PostgresProxy) -> Iterator[Connection]:
    url = proxied_url(database, proxy.port)
    limits = {"statement_timeout_s": 0.3, "connect_timeout_s": 1.0}
    with closing(Connection(url, **limits, idle_timeout_s=0.4)) as connection:
        yield connection


def ask(connection: Connection, question: str) -> object:
    with connection.transaction() as cursor:
        cursor.execute(f"select {question} as answer")
        row = cursor.fetchone()
    assert row is not None
    return row["answer"]


def test_whoever_gets_no_answer_gives_up_and_comes_back(
    connection: Connection, proxy: PostgresProxy
) -> None:
    assert ask(connection, "1") == 1
    proxy.hold()
    with pytest.raises(DatabaseError, match=r"no answer within 1\.3 s.*frozen"):
        ask(connection, "2")
    proxy.release()
    assert ask(connection, "3") == 3


def test_a_commit_without_an_answer_is_given_up_too(
    connection: Connection, proxy: PostgresProxy
) -> None:
    with (
        pytest.raises(DatabaseError, match="no answer within"),
        connection.transaction() as cursor,
    ):
        cursor.execute("select 1")
        proxy.hold()


def test_compare_and_set_sees_what_others_committed_whatever_the_default(
    database: str, connection: Connection
) -> None:
    execute(
        database,
        "do $$ begin execute format('alter database %I set default_transaction_isolation ="
        " serializable', current_database()); end $$",
    )
    assert ask(connection, "current_setting('transaction_isolation')") == "read committed"


def test_what_closes_a_database_for_writing_is_of_no_single_row(
    database: str, connection: Connection
) -> None:
    execute(database, "create table notes (note text)")
    with pytest.raises(DatabaseError) as told, connection.transaction() as cursor:
        cursor.execute("set transaction read only")
        cursor.execute("insert into notes values ('x')")
    assert not isinstance(told.value, StatementRefused)
    assert "primary" in str(told.value)


def test_a_refused_statement_undoes_all_and_keeps_the_connection(
    database: str, connection: Connection
) -> None:
    execute(database, "create table notes (note text not null)")
    before = ask(connection, "pg_backend_pid()")
    with pytest.raises(StatementRefused), connection.transaction() as cursor:
        cursor.execute("insert into notes values ('kept?')")
        cursor.execute("insert into notes values (null)")
    assert ask(connection, "(select count(*) from notes)") == 0
    assert ask(connection, "pg_backend_pid()") == before


def test_a_refusal_at_the_commit_is_one_too(database: str, connection: Connection) -> None:
    execute(database, "create table notes (note text unique deferrable initially deferred)")
    with pytest.raises(StatementRefused), connection.transaction() as cursor:
        cursor.execute("insert into notes values ('twice'), ('twice')")
    assert ask(connection, "(select count(*) from notes)") == 0


def test_an_interrupted_transaction_leaves_nothing(database: str, connection: Connection) -> None:
    execute(database, "create table notes (note text)")
    with pytest.raises(KeyboardInterrupt), connection.transaction() as cursor:
        cursor.execute("insert into notes values ('half')")
        raise KeyboardInterrupt
    assert ask(connection, "(select count(*) from notes)") == 0


def test_the_locks_of_a_process_that_says_nothing_more_go(
    database: str, connection: Connection
) -> None:
    execute(database, "create table notes (note text)")
    with pytest.raises(DatabaseError), connection.transaction() as cursor:
        cursor.execute("lock table notes in access exclusive mode")
        with closing(psycopg2.connect(database)) as other, other.cursor() as waiting:
            waiting.execute("select from notes")  # as soon as the lock is gone
        cursor.execute("select 1")
