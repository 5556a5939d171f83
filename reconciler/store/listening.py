"""Waiting for NOTIFY on the channel `reconciler`: a hint to read again, never the news itself."""

from __future__ import annotations

import contextlib
import select
import time
from types import TracebackType
from typing import Self

import psycopg2
import psycopg2.extensions

from reconciler.errors import DatabaseError
from reconciler.store.connection import Connection


class Listener:
    """Listens on a connection of its own. Where that breaks, waiting is only waiting.

    Behind a transaction pooler nothing is ever heard, so whoever waits reads again after the
    time-out, too.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._raw: psycopg2.extensions.connection | None = None

    def wait(self, timeout_s: float) -> bool:
        """True as soon as something changed; False after `timeout_s` seconds."""
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
        raw = self._raw or self._listen()
        if not select.select([raw], [], [], timeout_s)[0]:
            return False
        raw.poll()
        heard = bool(raw.notifies)
        raw.notifies.clear()
        return heard

    def _listen(self) -> psycopg2.extensions.connection:
        raw = self._connection.connect()
        raw.autocommit = True
        self._raw = raw
        with raw.cursor() as cursor:
            cursor.execute("listen reconciler")
        return raw
