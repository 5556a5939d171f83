"""A connection that can only look: every transaction is read-only, whoever it belongs to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extras
from psycopg2 import sql

from reconciler.errors import DatabaseError
from reconciler.store.connection import explain

#: Postgres gives up a look after this time: a large table is not worth a user's wait.
PATIENCE_S = 5.0


class Looking:
    """Reads in transactions that Postgres itself keeps from changing anything.

    Not the store's connection: that one sets a time zone, and what an application's session has
    without setting any is one of the facts.
    """

    def __init__(
        self, url: str, *, connect_timeout_s: float, patience_s: float = PATIENCE_S
    ) -> None:
        self._url = url
        self._patience_ms = round(patience_s * 1000)
        try:
            self._raw = psycopg2.connect(
                url, connect_timeout=max(1, round(connect_timeout_s)), application_name="reconciler"
            )
            self._raw.set_session(readonly=True)
        except psycopg2.Error as error:
            raise DatabaseError(explain(error, url)) from error

    def rows(self, statement: sql.Composed, values: Any = None) -> list[dict[str, Any]]:
        """What one statement answers. Raises DatabaseError, and goes on working after it."""
        try:
            with (
                self._raw,
                self._raw.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
            ):
                # For this transaction alone: behind a pooler the session is everybody's.
                cursor.execute(
                    "select set_config('statement_timeout', %s, true)", (str(self._patience_ms),)
                )
                cursor.execute(statement, values)
                return [dict(row) for row in cursor.fetchall()]
        except psycopg2.Error as error:
            raise DatabaseError(explain(error, self._url)) from error
        except UnicodeDecodeError as error:  # a database of encoding SQL_ASCII holds any bytes
            raise DatabaseError(f"a text in it is no UTF-8: {error.reason}") from error

    def close(self) -> None:
        """Ends the connection."""
        with contextlib.suppress(psycopg2.Error):
            self._raw.close()


@contextlib.contextmanager
def looking(url: str, *, connect_timeout_s: float) -> Iterator[Looking]:
    """A read-only connection, closed at the end. Raises DatabaseError."""
    look = Looking(url, connect_timeout_s=connect_timeout_s)
    try:
        yield look
    finally:
        look.close()
