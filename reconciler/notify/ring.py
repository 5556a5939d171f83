"""The events of late, in memory: most readers that come back find in it what they missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from reconciler.notify.messages import Message

#: So many are kept.
SIZE = 1000


class Ring:
    """The last events that were handed on, without a gap. Not thread-safe."""

    def __init__(self, size: int = SIZE) -> None:
        self.size = size
        #: Up to which event everything was handed on; None before the beginning is known.
        self.position: int | None = None
        #: The event after which the ring begins.
        self._from = 0
        self._events: deque[Message] = deque()

    def begin(self, events: Sequence[Message], start: int, position: int) -> None:
        """These are all events after `start` up to `position`."""
        self._events, self._from, self.position = deque(events), start, position

    def forget(self) -> None:
        """Nothing is known any more."""
        self.begin((), 0, 0)
        self.position = None

    def push(self, events: Iterable[Message], position: int) -> None:
        """Adds the next events; the oldest go."""
        self._events.extend(events)
        self.position = position
        while len(self._events) > self.size:
            self._from = self._events.popleft().id or 0

    def after(self, event_id: int) -> list[Message] | None:
        """What came after an event; None where that lies before the ring, or is yet to come."""
        if self.position is None or not self._from <= event_id <= self.position:
            return None
        return [message for message in self._events if (message.id or 0) > event_id]
