"""An end to waiting inside libpq, which knows none.

A server that is frozen, or behind a network that swallows everything, keeps its connections: who
asked it something would wait for ever. `statement_timeout` is the server's, and does not help here;
keepalives are answered by a frozen server's kernel.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions

from reconciler.store.queries import OWN_SCHEMA

#: How often is looked who has waited too long, in seconds.
BEAT_S = 0.5


class PatientConnection(psycopg2.extensions.connection):
    """Gives up by closing its socket: libpq then wakes up and says that the server is gone."""

    #: How long an answer may take, in seconds.
    patience_s = math.inf
    #: What our SQL calls `reconciler` (see `queries.OwnSchema`).
    own_schema = OWN_SCHEMA
    _gives_up_at_s = math.inf
    _gave_up = False
    _socket: socket.socket | None = None

    def be_patient(self, patience_s: float) -> None:
        """From now on each answer may take so long."""
        self.patience_s = patience_s
        # A descriptor of its own: that of libpq may be another file's by the time it is used.
        self._socket = socket.socket(fileno=os.dup(self.fileno()))
        _watch.add(self)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While an answer is waited for. Raises OperationalError where there is none in time."""
        self._gives_up_at_s = time.monotonic() + self.patience_s
        try:
            yield
        except psycopg2.OperationalError as error:
            if self._gave_up:
                words = f"no answer within {self.patience_s:g} s"
                raise psycopg2.OperationalError(words) from error
            raise
        finally:
            self._gives_up_at_s = math.inf

    def give_up_if_due(self, now_s: float) -> None:
        """Ends the wait that has lasted too long. Called by another thread than the one in it."""
        own = self._socket  # another thread may close it at this moment
        if now_s > self._gives_up_at_s and own is not None:
            self._gave_up = True
            with contextlib.suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)

    def commit(self) -> None:
        with self.waiting():
            super().commit()

    def rollback(self) -> None:
        with self.waiting():
            super().rollback()

    def close(self) -> None:
        super().close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class PatientCursor(psycopg2.extensions.cursor):
    """Waits with the patience of its connection."""

    def execute(self, query: Any, vars: Any = None) -> None:
        with self.connection.waiting():  # type: ignore[attr-defined]
            super().execute(query, vars)


class Cursor(PatientCursor):
    """The same; its rows are dictionaries, plain ones: with ten thousand rows a second those of
    psycopg2, which are made column by column, take more time than all the rest of a pass."""

    #: What is sent ahead of the first statement, and with it: half of a far server's time is ways.
    preamble = b""

    def execute(self, query: Any, vars: Any = None) -> None:
        if self.preamble:
            query, vars, self.preamble = self.preamble + self.mogrify(query, vars), None, b""
        super().execute(query, vars)

    #: What whoever listens is to hear once the transaction is committed.
    hint: str | None = None

    def fetchone(self) -> dict[str, Any] | None:  # type: ignore[override]
        row = super().fetchone()
        return None if row is None else dict(zip(self._names, row, strict=True))

    def fetchall(self) -> list[dict[str, Any]]:  # type: ignore[override]
        rows, names = super().fetchall(), self._names
        return [dict(zip(names, row, strict=True)) for row in rows]

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.description or ()]


class _Watch:
    """Looks at every connection, in a thread of its own: those who wait in libpq cannot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[PatientConnection] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, connection: PatientConnection) -> None:
        with self._lock:
            self._connections.add(connection)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._thread = threading.Thread(target=self._run, name="patience", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self._look()

    def _look(self) -> None:
        with self._lock:
            connections = list(self._connections)
        now_s = time.monotonic()
        for connection in connections:
            connection.give_up_if_due(now_s)


_watch = _Watch()
