"""The database's time, told by this machine's monotonic clock between two questions."""

from __future__ import annotations

import time
from collections.abc import Callable

#: By so many seconds the database's clock may differ from what ours makes of it: answers are late.
LEAP_S = 60.0


class DatabaseClock:
    """Seconds since the epoch by the database's clock, without asking it each time.

    The wall clock of this machine is never used: it may be wrong, and it may jump.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._offset_s: float | None = None

    def set(self, database_now: float) -> float:
        """Takes the time that the database just told.

        Returns the seconds by which that clock was set meanwhile, forward or back; or by which
        this machine slept. 0 where it went as ours did.
        """
        before, self._offset_s = self._offset_s, database_now - self._monotonic()
        leap_s = 0.0 if before is None else self._offset_s - before
        return leap_s if abs(leap_s) > LEAP_S else 0.0

    def now(self) -> float:
        """The database's time now."""
        return self.at(self._monotonic())

    def at(self, monotonic_s: float) -> float:
        """The database's time at an instant of the monotonic clock."""
        return (self._offset_s or 0.0) + monotonic_s
