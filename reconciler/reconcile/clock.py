"""The database's time, told by this machine's monotonic clock between two questions."""

from __future__ import annotations

import time
from collections.abc import Callable


class DatabaseClock:
    """Seconds since the epoch by the database's clock, without asking it each time.

    The wall clock of this machine is never used: it may be wrong, and it may jump.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset_s = 0.0

    def set(self, database_now: float) -> None:
        """Takes the time that the database just told."""
        self._offset_s = database_now - self._monotonic()

    def now(self) -> float:
        """The database's time now."""
        return self._offset_s + self._monotonic()

    def at(self, monotonic_s: float) -> float:
        """The database's time at an instant of the monotonic clock."""
        return self._offset_s + monotonic_s
