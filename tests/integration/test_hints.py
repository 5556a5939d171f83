"""A hint follows what was changed: it is given after the commit, once, and never instead of it."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from reconciler.errors import DatabaseError
from reconciler.store import states
from reconciler.store.connection import Connection


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    connection = Connection(database, connect_timeout_s=5, statement_timeout_s=30)
    yield connection
    connection.close()


@pytest.fixture
def listener(database: str) -> Iterator[psycopg2.extensions.connection]:
    with closing(psycopg2.connect(database)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        cursor.execute("listen reconciler")
        yield raw


def heard(listener: psycopg2.extensions.connection, timeout_s: float = 10.0) -> list[str]:
    if select.select([listener], [], [], timeout_s)[0]:
        listener.poll()
    payloads = [each.payload for each in listener.notifies]
    listener.notifies.clear()
    return payloads


def test_the_last_hint_of_a_transaction_is_given_after_its_commit(
    connection: Connection, listener: psycopg2.extensions.connection, database: str
) -> None:
    with connection.writing() as cursor:
        cursor.execute("create table changed (n integer)")
        states.notify(cursor, "event 1")
        states.notify(cursor, "event 2")
    assert heard(listener) == ["event 2"]
    with closing(psycopg2.connect(database)) as raw, raw.cursor() as other:
        other.execute("select count(*) from changed")  # whoever heard it finds it


def test_nothing_is_heard_of_what_was_not_committed(
    connection: Connection, listener: psycopg2.extensions.connection
) -> None:
    with pytest.raises(DatabaseError), connection.writing() as cursor:
        states.notify(cursor, "event 1")
        cursor.execute("select 1 / 0")
    with connection.writing() as cursor:
        cursor.execute("select 1")
    with connection.writing() as cursor:
        states.notify(cursor, "event 2")
    assert heard(listener) == ["event 2"]


def test_a_hint_that_cannot_be_given_takes_back_nothing(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    with connection.writing() as cursor:
        cursor.execute("create table changed (n integer)")
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.store.connection.query", lambda name: "select no_such_function()")
        with connection.writing() as cursor:
            cursor.execute("insert into changed values (1)")
            states.notify(cursor, "event 1")
    with connection.transaction() as cursor:
        cursor.execute("select n from changed")
        assert cursor.fetchall() == [{"n": 1}]
