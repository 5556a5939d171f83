"""Following the events table on one connection: what is new, in order, and soon."""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.notify.gaps import GapRule
from reconciler.notify.messages import Message, of_event
from reconciler.notify.ring import SIZE
from reconciler.store.feed import FeedStore

#: Events that are read at a time.
PAGE = 500
#: While an event is held back: how soon is looked again, at first and at most, in seconds.
HELD_S = (0.01, 0.25)
#: Events of the last day are surely all there: nothing is deleted before it is two days old.
YOUNG_S = 86_400.0


class Following:
    """Where the feed stands. Every method raises DatabaseError."""

    def __init__(self) -> None:
        self._rule: GapRule | None = None
        self._held_s = 0.0

    @property
    def held_s(self) -> float | None:
        """When to look again for what is held back, in seconds; None where nothing is."""
        return self._held_s if self._rule is not None and self._rule.is_held else None

    def went_back(self, store: FeedStore) -> bool:
        """True where ids that were handed on are there no more: the database is another one, or
        was set back. Everything begins anew then."""
        newest = store.bounds()[1]
        went_back = self._rule is not None and 0 < newest < self._rule.position
        if went_back:
            self._rule = None
        return went_back

    def begin(
        self, store: FeedStore, pause: Callable[[float], bool]
    ) -> tuple[list[Message], int, int] | None:
        """Begins at the newest event, once all up to it are there that will be. Returns those of
        late, after which they come, and the newest; None where `pause` says not to go on."""
        newest = store.bounds()[1]
        writers, pause_s = store.writers(), HELD_S[0]
        while writers:
            if not pause(pause_s):
                return None
            writers &= store.writers()
            pause_s = min(pause_s * 1.5, HELD_S[1])
        self._rule = GapRule(newest)
        recent = store.events(max(newest - SIZE, 0), upto=newest, limit=SIZE)
        young = [event for event in recent if event.at > time.time() - YOUNG_S]
        start = young[0].id - 1 if young else newest
        return [of_event(event) for event in young], start, newest

    @property
    def begun(self) -> bool:
        """True once it is known where it stands."""
        return self._rule is not None

    def read(self, store: FeedStore, hand_on: Callable[[list[Message], int], None]) -> None:
        """Hands on what is new, with the position after it."""
        rule = self._rule
        assert rule is not None
        while True:
            seen = store.events(rule.position, limit=PAGE)
            before = rule.position
            released = rule.release(seen)
            if released:
                hand_on([of_event(event) for event in released], rule.position)
            if rule.is_held:
                if not rule.note(store.writers()):
                    break
            elif len(seen) < PAGE:
                break
        moved = rule.position > before
        self._held_s = HELD_S[0] if moved else min(max(self._held_s, HELD_S[0]) * 1.5, HELD_S[1])
