"""Events are handed on in the order of their ids, none twice and none left out.

Ids are given when an event is written, and events are seen when their transactions end: one with a
smaller id may appear after one with a greater. And a transaction that is rolled back leaves its ids
unused for ever. So an event behind a gap is held back until the missing id appears, or until all
transactions have ended that might bring it: those that had written events, and not ended, when the
gap was noticed.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Protocol, TypeVar


class Numbered(Protocol):
    """What has an id."""

    @property
    def id(self) -> int:
        """Greater than 0."""


E = TypeVar("E", bound=Numbered)


class GapRule:
    """Which of the events that are seen may be handed on. Pure: no clock, no database.

    Whoever uses it reads, in this order and again and again: the events after `position`, for
    `release`; and, as long as it then `is_held`, the transactions that write, for `note`.
    """

    def __init__(self, position: int) -> None:
        """Begins after the event with this id: all up to it are handed on, or not asked for."""
        self.position = position
        #: Ids up to here that were not seen by now never will be.
        self._settled = position
        self._newest = position
        #: Up to which id these transactions may still bring events.
        self._awaited: tuple[int, Set[str]] | None = None

    @property
    def is_held(self) -> bool:
        """True where something is held back."""
        return self._newest > self.position

    def release(self, seen: Sequence[E]) -> list[E]:
        """Those that may be handed on now. `seen`: the first events after `position`, in order,
        read after whatever was given to `note`."""
        released: list[E] = []
        for event in seen:
            if event.id > self.position + 1 and event.id > self._settled + 1:
                break
            self.position = event.id
            released.append(event)
        if seen:
            self._newest = max(self._newest, seen[-1].id)
        if self._awaited is not None and self._awaited[0] <= self.position:
            self._awaited = None  # what was awaited came
        return released

    def note(self, writers: Set[str]) -> bool:
        """These transactions write now. True where it is worth while to read again at once."""
        upto, before = self._awaited or (self._newest, writers)
        left = before & writers
        if left:
            self._awaited = (upto, left)
            return left != before
        self._awaited, self._settled = None, upto
        return True
