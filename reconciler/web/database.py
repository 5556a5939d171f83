"""The stores that requests read from: a bounded number, apart from the one of the passes."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator

from reconciler.errors import DatabaseError
from reconciler.store import Store

#: A request waits so long for its turn at the database, in seconds.
PATIENCE_S = 5.0


class Busy(DatabaseError):
    """All connections are in use by other requests."""


class Stores:
    """A pool of stores, opened when they are needed. Thread-safe."""

    def __init__(self, open_one: Callable[[], Store], size: int = 4) -> None:
        """`open_one` may raise DatabaseError: whoever asks is told, the next one tries again."""
        self._open_one = open_one
        self._turns = threading.BoundedSemaphore(size)
        self._idle: queue.LifoQueue[Store] = queue.LifoQueue()

    @contextlib.contextmanager
    def one(self) -> Iterator[Store]:
        """A store for one request. Raises DatabaseError, `Busy` after `PATIENCE_S`."""
        if not self._turns.acquire(timeout=PATIENCE_S):
            raise Busy("all connections to the database are in use: try again in a moment")
        try:
            store = self._take()
            try:
                yield store
            finally:
                self._idle.put(store)
        finally:
            self._turns.release()

    def close(self) -> None:
        """Closes those that are idle; one that is in use is closed by nobody: wait for it first."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def _take(self) -> Store:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        return self._open_one()
