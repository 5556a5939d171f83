"""One reader's part of the feed: what it has not taken yet, bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from reconciler.notify.messages import Filters, Kind, Message

#: Messages that may wait for a reader. One that has more is too slow, and is dropped.
MOST_WAITING = 1000


class Subscription:
    """Messages that wait for one reader. Thread-safe: the feed's thread puts, the reader's takes.

    Of what only the last one counts only the last one waits: how far a job is, how servers are.
    """

    def __init__(
        self,
        filters: Filters,
        on_news: Callable[[], None],
        *,
        limit: int = MOST_WAITING,
    ) -> None:
        """`on_news` is called, in the feed's thread, when there is something to take."""
        self.filters = filters
        self.on_news = on_news
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: dict[object, Message] = {}
        self._passed = 0
        #: The reader was too slow: what it missed is not kept, and nothing more comes.
        self.dropped = False
        #: The feed has ended: nothing more comes.
        self.closed = False

    @property
    def ended(self) -> bool:
        """Nothing more comes."""
        return self.dropped or self.closed

    def begin(self, backlog: Iterable[Message], position: int) -> None:
        """What it has to hear first, however much; the last event so far."""
        with self._lock:
            self._waiting = {_key(m): m for m in backlog if self.filters.want(m)}
            self._limit += len(self._waiting)
            self._passed = position

    def offer(self, messages: Iterable[Message], position: int) -> bool:
        """Puts those that it asked for. `position`: the last event so far. True where there is
        something to take, or it was dropped."""
        wanted = [message for message in messages if self.filters.want(message)]
        with self._lock:
            self._passed = position
            for message in wanted:
                key = _key(message)
                self._waiting.pop(key, None)  # the newer one has the newer one's place
                self._waiting[key] = message
            if len(self._waiting) > self._limit:
                self.dropped = True
                self._waiting = {}
        return bool(wanted)

    def take(self) -> tuple[list[Message], int]:
        """All that waits, and up to which event everything is taken then."""
        with self._lock:
            taken, self._waiting = list(self._waiting.values()), {}
            return taken, self._passed

    def close(self) -> None:
        """Nothing more comes."""
        self.closed = True
        self.on_news()


def _key(message: Message) -> object:
    if message.kind is Kind.EVENT:
        return message.id
    if message.kind is Kind.PROGRESS:
        return message.kind, message.job_id
    return message.kind
