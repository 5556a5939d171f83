"""Waiting for NOTIFY on our channel: a hint to read again, never the news itself."""

from __future__ import annotations

import contextlib
import select
import time
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2 import sql

from reconciler.errors import DatabaseError
from reconciler.store.connection import Connection
from reconciler.store.patience import PatientConnection


class Listener:
    """Listens on a connection of its own. Where that breaks, waiting is only waiting.

    Behind a transaction pooler, without a direct URL, nothing is ever heard: whoever waits reads
    again after the time-out, too.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._raw: PatientConnection | None = None
        self._in_vain = False
        self._has_listened = False

    def wait(self, timeout_s: float) -> bool:
        """True as soon as something changed, or may have while the connection was broken; False
        after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        try:
            return self._hear(timeout_s)
        except (DatabaseError, psycopg2.Error):
            self.close()
            time.sleep(max(0.0, deadline - time.monotonic()))
            return False

    def close(self) -> None:
        """Stops listening; the next `wait` would start again."""
        if self._raw is not None:
            with contextlib.suppress(psycopg2.Error):
                self._raw.close()
            self._raw = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _hear(self, timeout_s: float) -> bool:
        was_broken = self._has_listened and self._raw is None
        raw = self._raw or self._listen()
        if raw is None:
            time.sleep(timeout_s)
            return False
        self._has_listened = True
        if was_broken:  # what was told meanwhile was told to nobody
            return True
        if not select.select([raw], [], [], timeout_s)[0]:
            return False
        raw.poll()
        heard = bool(raw.notifies)
        raw.notifies.clear()
        return heard

    def _listen(self) -> PatientConnection | None:
        """A connection that listens; None where a pooler gives none, once and for all."""
        if not self._in_vain:
            self._raw = self._connection.connect_directly()
            self._in_vain = self._raw is None
        if self._raw is not None:
            with self._raw.cursor() as cursor:
                channel = sql.Identifier(self._connection.own_schema)
                cursor.execute(sql.SQL("listen {}").format(channel))
        return self._raw
