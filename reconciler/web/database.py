"""The stores that requests read from: a bounded number, apart from the one of the passes."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.settings import Settings
from reconciler.store import Store

#: A request waits so long for its turn at the database, in seconds.
PATIENCE_S = 5.0
#: Where no connection could be had, the next one is tried so much later, in seconds: until then
#: everybody is told the same at once.
PAUSE_S = 1.0
#: A statement of a request may take so long, in seconds: somebody waits for it, and others for the
#: connection.
STATEMENT_S = 10.0


def hurried(settings: Settings) -> Settings:
    """The settings, with statements that end soon enough for a request."""
    timeout_s = min(settings.database.statement_timeout_s, STATEMENT_S)
    database = settings.database.model_copy(update={"statement_timeout_s": timeout_s})
    return settings.model_copy(update={"database": database})


class Busy(DatabaseError):
    """All connections are in use by other requests."""


class Stores:
    """A pool of stores, opened when they are needed. Thread-safe."""

    def __init__(self, open_one: Callable[[], Store], size: int = 4) -> None:
        """`open_one` may raise DatabaseError: whoever asks is told, and later ones try again."""
        #: One more, the caller's to close.
        self.open_one = open_one
        self._turns = threading.BoundedSemaphore(size)
        self._idle: queue.LifoQueue[Store] = queue.LifoQueue()
        self._closed = False
        self._failure: DatabaseError | None = None
        self._failed_s = 0.0

    @contextlib.contextmanager
    def one(self) -> Iterator[Store]:
        """A store for one request. Raises DatabaseError, `Busy` after `PATIENCE_S`."""
        if not self._turns.acquire(timeout=PATIENCE_S):
            raise Busy("all connections to the database are in use: try again in a moment")
        try:
            store = self._take()
            try:
                yield store
            except DatabaseError as error:
                if not isinstance(error, StatementRefused):
                    # This one is broken, and so are those that were left before it broke.
                    store.close()
                    self._close_idle()
                raise
            finally:
                self._give_back(store)
        finally:
            self._turns.release()

    def close(self) -> None:
        """Closes those that are idle; one that is in use, when it is given back."""
        self._closed = True
        self._close_idle()

    def _take(self) -> Store:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        if self._failure is not None and time.monotonic() - self._failed_s < PAUSE_S:
            raise type(self._failure)(*self._failure.args)
        try:
            store = self.open_one()
        except DatabaseError as error:
            self._failure, self._failed_s = error, time.monotonic()
            raise
        self._failure = None
        return store

    def _give_back(self, store: Store) -> None:
        self._idle.put(store)
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
