"""One agent at a time inspects a file that several see: a session lock on its key, while it lasts.

It saves work, and nothing depends on it: without a session of one's own (behind a transaction
pooler) every agent inspects for itself, and an agent that was frozen is not waited for too long.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg2

from reconciler.errors import DatabaseError
from reconciler.store.connection import Connection
from reconciler.store.patience import PatientConnection
from reconciler.store.queries import query

#: Files that others inspect, remembered at most.
_MAX_REFUSED = 10_000


class Turns:
    """Whose turn it is to inspect a file. Thread-safe; on a connection of its own, once needed."""

    def __init__(
        self,
        connection: Connection,
        patience_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """After `patience_s` seconds in which another one has had it, it is everybody's turn."""
        self._connection = connection
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._raw: PatientConnection | None = None
        self._since_s: dict[bytes, float] = {}
        #: No other agent is there: nobody has to be asked.
        self.alone = True

    def take(self, key: bytes) -> bool:
        """True where the file is ours to inspect now."""
        if self.alone:
            return True
        with self._lock:
            if self._ask("take_turn", key):
                self._since_s.pop(key, None)
                return True
            now_s = self._monotonic()
            since_s = self._since_s.setdefault(key, now_s)
            while len(self._since_s) > _MAX_REFUSED:
                self._since_s.pop(next(iter(self._since_s)))
            return now_s - since_s > self._patience_s

    def give(self, key: bytes) -> None:
        """It was inspected, or not."""
        with self._lock:
            if self._raw is not None:
                self._ask("give_turn", key)

    def close(self) -> None:
        """Gives back all of them."""
        with self._lock:
            self._drop()

    def _ask(self, name: str, key: bytes) -> bool:
        """The database's answer; where it has none, nobody is kept waiting."""
        number = int.from_bytes(hashlib.sha256(key).digest()[:8], signed=True)
        try:
            if self._raw is None or self._raw.closed:
                self._raw = self._connection.connect_directly()
            if self._raw is None:
                return True
            with self._raw.cursor() as cursor:
                cursor.execute(query(name), {"key": number})
                row = cursor.fetchone()
            return row is None or bool(row[0])
        except (DatabaseError, psycopg2.Error):
            self._drop()
            return True

    def _drop(self) -> None:
        if self._raw is not None:
            with suppress(psycopg2.Error):
                self._raw.close()
            self._raw = None
