"""The real Postgres of a history: told the time, emptied for each, and losing connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg2
import psycopg2.extras
import pytest

from reconciler.errors import DatabaseError
from reconciler.store import open_store
from reconciler.store.connection import Connection
from tests.integration.hours import PostgresTime

#: Where in a transaction its connection breaks: before its first statement, before its COMMIT, or
#: when that was done and its answer is awaited.
Phase = Literal["begin", "before commit", "after commit"]
PHASES: tuple[Phase, ...] = Phase.__args__  # type: ignore[attr-defined]


class Database:
    """The database itself, with a connection of the applications' and the test's own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.time = PostgresTime(url)
        open_store(url).close()
        #: Of the reconcilers: to look up the table's columns for each anew would take long.
        self.stores = [open_store(url, create=False) for _ in range(2)]
        self._raw = psycopg2.connect(url)
        self._raw.autocommit = True
        self._emptied = self._statement_that_empties()

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.time.close()
        self._raw.close()

    def empty(self) -> None:
        self.sql(self._emptied)

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """What an application, or the test, does: committed at once."""
        with self._raw.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(statement, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def _statement_that_empties(self) -> str:
        tables = self.sql(
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name"
            " from pg_tables where schemaname in ('public', 'reconciler')"
            " and tablename <> 'migrations'"
        )
        return f"truncate {', '.join(t['name'] for t in tables)} restart identity"


class Wire:
    """What happens between the reconcilers and Postgres."""

    def __init__(self) -> None:
        #: Called before each transaction: what others do in between.
        self.before_transaction: Callable[[], None] = lambda: None
        #: Called where a change is about to be committed.
        self.before_change: Callable[[Connection], None] = lambda connection: None
        #: The phase in which the next transaction loses its connection, and whether one did.
        self.breaks: Phase | None = None
        self.broke = False
        #: Transactions that are open now: nobody else may wait for their locks.
        self.open = 0
        #: Transactions that were begun.
        self.begun = 0

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Every transaction of the store's connections goes through here meanwhile."""
        transaction, writing = Connection.transaction, Connection.writing

        @contextmanager
        def breaking(connection: Connection) -> Iterator[Any]:
            self.before_transaction()
            self.begun += 1
            self.open += 1
            try:
                with transaction(connection) as cursor:
                    self._break_in("begin", connection)
                    yield cursor
                    self._break_in("before commit", connection)
            finally:
                self.open -= 1
            self._break_in("after commit", connection)

        @contextmanager
        def watched(connection: Connection) -> Iterator[Any]:
            with writing(connection) as cursor:
                yield cursor
                self.before_change(connection)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "transaction", breaking)
            patch.setattr(Connection, "writing", watched)
            yield

    def _break_in(self, phase: Phase, connection: Connection) -> None:
        if self.breaks == phase:
            self.breaks, self.broke = None, True
            words = f"the connection broke: {phase}"
            if phase == "after commit":
                connection.close()
                raise DatabaseError(words)
            # It is closed after a rollback that is waited for: whether Postgres had noticed the end
            # of the connection when the next one came would be chance.
            raise psycopg2.OperationalError(words)
