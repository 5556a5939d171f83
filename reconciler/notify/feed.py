"""The feed: one thread that follows the events table, and hands on what is new to all readers.

NOTIFY is a hint to read, and the table is the truth: where none is heard, it is read every second.
Nothing is read, and no connection kept, while nobody listens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager

import structlog

from reconciler.errors import DatabaseError
from reconciler.notify.changes import Changes
from reconciler.notify.following import Following
from reconciler.notify.messages import Kind, Message
from reconciler.notify.ring import Ring
from reconciler.notify.subscription import Subscription
from reconciler.store import Store
from reconciler.store.feed import FeedStore
from reconciler.store.listening import Listener

log = structlog.get_logger(__name__)

#: Hints are waited for so long, and what is no event is looked at so often, in seconds.
BEAT_S = 1.0
#: Before a database that failed is tried again, in seconds.
RETRY_S = 1.0
#: After so long it is said that events are held back, in seconds.
HELD_TOO_LONG_S = 60.0
#: For how long the table is followed after the last reader has gone, in seconds.
LINGER_S = 30.0


class Feed:
    """What happens, for any number of readers. Thread-safe."""

    def __init__(self, open_store: Callable[[], Store], *, linger_s: float = LINGER_S) -> None:
        """`open_store` may raise DatabaseError: it is tried again."""
        self._open_store = open_store
        self._linger_s = linger_s
        self._changed = threading.Condition()
        self._ring = Ring()
        self._following = Following()
        self._changes: Changes | None = None
        self._subscriptions: set[Subscription] = set()
        self._readers = 0
        self._lonely_since_s = 0.0
        self._held_since_s: float | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        #: What keeps it from following the table; None where nothing does.
        self.problem: Message | None = None

    @property
    def readers(self) -> int:
        """How many there are."""
        return self._readers

    @property
    def position(self) -> int | None:
        """The last event that was handed on; None where that is not known (yet)."""
        return self._ring.position

    @property
    def closed(self) -> bool:
        """It has ended."""
        return self._closed

    @contextmanager
    def followed(self) -> Iterator[None]:
        """The table is followed for as long as this lasts."""
        with self._changed:
            self._readers += 1
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._lonely_since_s = time.monotonic()

    def join(self, subscription: Subscription, after: int | None) -> int | None:
        """From now on the subscription gets what follows the event `after` (None: what is yet to
        come). Returns the last event so far; None where `after` is not among those of late, or
        nothing is followed yet: then it gets nothing."""
        with self._changed:
            position = self._ring.position
            backlog = [] if after is None else self._ring.after(after)
            if position is None or backlog is None or self._closed:
                return None
            recent = [] if self._changes is None else self._changes.recent()
            trouble = [] if self.problem is None else [self.problem]
            subscription.begin([*backlog, *recent, *trouble], position)
            self._subscriptions.add(subscription)
            return position

    def leave(self, subscription: Subscription) -> None:
        """It gets nothing more."""
        with self._changed:
            self._subscriptions.discard(subscription)

    def close(self) -> None:
        """Ends it, and tells all readers. Returns at once."""
        with self._changed:
            self._closed = True
            subscriptions, self._subscriptions = self._subscriptions, set()
            self._changed.notify_all()
        for subscription in subscriptions:
            subscription.close()

    def wait_closed(self, timeout_s: float) -> None:
        """Waits until it has let go of the database: within `BEAT_S` of its end."""
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        while self._is_wanted():
            try:
                with (
                    closing(self._open_store()) as store,
                    Listener(store.connection) as listener,
                ):
                    self._follow(store, listener)
            except DatabaseError as error:
                log.warning("stream waits for the database", error=str(error))
                self._note_problem("The database is away. What happens meanwhile is told later.")
            except Exception:  # a defect of ours must not end the stream
                log.exception("a defect: please report it; trying again")
                self._note_problem("A defect: the service's log tells more.")
            self._pause(RETRY_S if self.problem else 0.0)

    def _follow(self, store: Store, listener: Listener) -> None:
        """Follows the table until nobody listens any more."""
        listener.wait(0.0)  # LISTEN first, then the query: nothing falls between the two
        feed = FeedStore(store.connection)
        went_back = self._following.went_back(feed)
        if not self._following.begun and not self._begin(feed):
            return
        changes = self._changes = Changes(feed, store.servers)
        if went_back:
            self._hand_on([_resync(self.position or 0)], self.position or 0)
        look_s = time.monotonic()
        while self._goes_on():
            self._following.read(feed, self._hand_on)
            self._note_recovery()
            if time.monotonic() >= look_s:
                look_s = time.monotonic() + BEAT_S
                self._hand_on(changes.look(self._asked_for()), self.position or 0)
            held_s = self._following.held_s
            self._note_held(held_s is not None)
            due_s = max(look_s - time.monotonic(), 0.0)
            listener.wait(due_s if held_s is None else min(held_s, due_s))

    def _begin(self, feed: FeedStore) -> bool:
        begun = self._following.begin(feed, self._pause_held)
        self._note_held(False)
        if begun is None:
            return False
        with self._changed:
            self._ring.begin(*begun)
        return True

    def _hand_on(self, messages: Sequence[Message], position: int) -> None:
        """To the ring, if they are events, and to all readers that asked for them."""
        with self._changed:
            self._ring.push([m for m in messages if m.kind is Kind.EVENT], position)
            news = [each for each in self._subscriptions if each.offer(messages, position)]
            self._subscriptions.difference_update([each for each in news if each.dropped])
        for subscription in news:
            subscription.on_news()

    def _asked_for(self) -> set[str]:
        """Jobs that readers asked for by name."""
        with self._changed:
            return {job for each in self._subscriptions for job in each.filters.jobs}

    def _pause_held(self, seconds: float) -> bool:
        self._note_held(True)
        return self._pause(seconds)

    def _note_held(self, is_held: bool) -> None:
        """A transaction that does not end (a prepared one, somebody's session) is to be found."""
        now_s = time.monotonic()
        self._held_since_s = (self._held_since_s or now_s) if is_held else None
        if self._held_since_s is not None and now_s - self._held_since_s > HELD_TOO_LONG_S:
            log.warning(
                "events are held back: a transaction that wrote to the events table does not end;"
                " see pg_locks and pg_prepared_xacts",
                after=self.position,
            )
            self._held_since_s = now_s

    def _note_problem(self, words: str) -> None:
        if self.problem is None:
            self.problem = Message(Kind.PROBLEM, {"detail": words})
            self._tell(self.problem)

    def _note_recovery(self) -> None:
        if self.problem is not None:
            self.problem = None
            log.info("stream goes on")
            self._tell(Message(Kind.RECOVERED, {}))

    def _tell(self, message: Message) -> None:
        if self.position is not None:
            self._hand_on([message], self.position)

    def _is_wanted(self) -> bool:
        """Waits until somebody listens. False once it is closed."""
        with self._changed:
            if not self._readers:
                self._ring.forget()
                self._following, self._changes, self.problem = Following(), None, None
            self._changed.wait_for(lambda: self._readers or self._closed)
            return not self._closed

    def _goes_on(self) -> bool:
        with self._changed:
            alone_s = time.monotonic() - self._lonely_since_s
            return not self._closed and (self._readers > 0 or alone_s < self._linger_s)

    def _pause(self, seconds: float) -> bool:
        """Waits; True where it goes on."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)
            return not self._closed


def _resync(position: int) -> Message:
    return Message(
        Kind.RESYNC, {"reason": "the database is another one, or was set back"}, position
    )
