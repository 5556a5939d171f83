"""One inbox for all hints ("look at this"), from any thread; bursts merge into one look."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from enum import Enum
from typing import Final


class _Topic(Enum):
    EVERYTHING = "everything"

    def __repr__(self) -> str:
        return "EVERYTHING"


#: The topic that stands for all others: look at everything.
EVERYTHING: Final = _Topic.EVERYTHING


class Inbox:
    """Topics that wait to be looked at. Thread-safe and bounded: it never blocks who puts.

    Equal topics merge. More than `limit` different ones collapse into `EVERYTHING`, which
    absorbs every topic until it is taken: a full inbox costs one large look and loses nothing
    (as syncthing does when its channel of watch events is full).
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        # The lock of a Condition is reentrant, so a signal handler may put and close, too.
        self._changed = threading.Condition()
        self._topics: set[Hashable] = set()
        self._first_at_s = 0.0
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once `close` was called."""
        return self._closed

    def put(self, topic: Hashable) -> None:
        """Ask for a look at `topic`. Returns at once; after `close` it does nothing."""
        with self._changed:
            if self._closed or EVERYTHING in self._topics:
                return
            if not self._topics:
                self._first_at_s = time.monotonic()
                self._changed.notify_all()
            self._topics.add(topic)
            if topic is EVERYTHING or len(self._topics) > self._limit:
                self._topics = {EVERYTHING}

    def take(self, timeout_s: float, merge_s: float) -> frozenset[Hashable]:
        """Wait up to `timeout_s` for a topic and return all topics; empty if none came.

        Topics gather until `merge_s` after the first was put. That moment does not move, so a
        steady stream cannot put off the look; a topic that waited longer already is not delayed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._topics or self._closed, timeout_s)
            if self._topics:
                left_s = self._first_at_s + merge_s - time.monotonic()
                self._changed.wait_for(lambda: self._closed, max(left_s, 0.0))
            taken = frozenset(self._topics)
            self._topics = set()
            return taken

    def close(self) -> None:
        """Wake who waits in `take`, which from now on returns at once what is left."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
