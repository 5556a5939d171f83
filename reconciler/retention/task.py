"""What the tasks of the retention have in common."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from reconciler.store.retention import RetentionStore

#: Rows that one batch looks at, at most: a few milliseconds.
BATCH = 500
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one batch removed, and whether there is another one to do."""

    removed: int
    more: bool


#: Nothing to do.
NOTHING = Pruned(0, more=False)


class Task(Protocol):
    """One kind of things that may go."""

    @property
    def name(self) -> str:
        """What goes, in a word."""

    @property
    def lease(self) -> str:
        """The server whose agent does it; `*` for what belongs to no server."""

    def run_once(self) -> Pruned:
        """One batch, in one transaction. Raises DatabaseError."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long and how much is kept. None = nothing goes for that reason."""

    days: float | None
    count: int | None = None
    #: Nothing goes of a job that ended more recently: it may still succeed late. In seconds.
    settled_s: float = 2 * _DAY_S

    def cutoff(
        self, store: RetentionStore, what: str, server: str | None = None
    ) -> datetime | None:
        """What is older may go; None: nothing."""
        instants = [] if self.days is None else [store.before(self.days)]
        if self.count is not None:
            beyond = store.beyond(what, self.count, server)
            instants += [] if beyond is None else [beyond]
        settled = store.before(self.settled_s / _DAY_S)
        return min(max(instants), settled) if instants else None
