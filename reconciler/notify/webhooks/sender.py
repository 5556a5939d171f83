"""The sender: a thread that claims what is due, has it tried, and stores what came of it.

Every agent has one for the endpoints of its settings. Two that name the same endpoint share its
deliveries; what one had claimed when it died is claimed by the other, or by its successor.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.notify.webhooks.lane import Lane, Tried
from reconciler.store import Store
from reconciler.store.deliveries import Attempt, DeliveryStore
from reconciler.store.listening import Listener
from reconciler.store.webhooks import WebhookStore

log = structlog.get_logger(__name__)

#: Without a hint it is looked so often for what is due, in seconds.
LOOK_S = 1.0
#: Between two looks for what has been tried for too long, in seconds.
GIVE_UP_S = 30.0
#: After the database failed, in seconds.
RETRY_S = 2.0
#: When it stops, what is under way has so long to end, in seconds.
STOP_S = 3.0


class Sender:
    """Sends what is in the outbox for these endpoints. `start`, and `stop` at the end."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        open_store: Callable[[], Store],
        listener: Listener,
        *,
        max_age_s: float,
    ) -> None:
        """`lanes`: one for each endpoint. `open_store` may raise DatabaseError: it is tried
        again. `listener`: hears when something was put into the outbox."""
        self._lanes = {lane.name: lane for lane in lanes}
        self._open_store = open_store
        self._listener = listener
        self._max_age_s = max_age_s
        self._tried: queue.SimpleQueue[Tried] = queue.SimpleQueue()
        #: What could not be stored yet.
        self._unsaved: list[Tried] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._store: Store | None = None
        self._give_up_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._ear = threading.Thread(target=self._listen, name="webhooks listen", daemon=True)

    def start(self) -> None:
        """Begins, where there is anybody to be told."""
        if self._lanes:
            self._thread.start()
            self._ear.start()

    def stop(self) -> None:
        """Begins nothing more, and waits a little for what is under way. What does not end is sent
        again by whoever comes next."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = LOOK_S
            try:
                self._turn()
            except DatabaseError as error:
                log.warning("webhooks: the database failed; trying again", error=str(error))
                wait_s = RETRY_S
                self._let_go()
            except Exception:  # a defect of ours must not end it for good
                log.exception("a defect: please report it")
                wait_s = RETRY_S
                self._let_go()
            self._wake.wait(wait_s)
            self._wake.clear()
        self._finish()

    def _turn(self) -> None:
        if self._store is None:
            self._store = self._open_store()
        store = self._store
        deliveries = DeliveryStore(store.connection)
        self._save(store)
        if time.monotonic() >= self._give_up_at_s:
            self._give_up_at_s = time.monotonic() + GIVE_UP_S
            if given_up := deliveries.give_up(list(self._lanes), self._max_age_s):
                log.warning("webhooks: given up", deliveries=given_up)
            longest_s = max(lane.claim_s for lane in self._lanes.values())
            if mended := deliveries.mend_times(longest_s):
                log.warning("webhooks: the database's clock was set back", due_now=mended)
        for lane in self._lanes.values():
            if room := lane.room():
                self._begin(store, deliveries, lane, room)

    def _begin(self, store: Store, deliveries: DeliveryStore, lane: Lane, room: int) -> None:
        claimed = deliveries.claim(lane.name, room, lane.claim_s)
        jobs = {one.job_id for one in claimed if one.job_id is not None and _is_new(one.payload)}
        views = {view.id: view for view in store.views.some(sorted(jobs))} if jobs else {}
        for one in claimed:
            lane.start(one, views.get(one.job_id or ""), self._over)

    def _over(self, tried: Tried) -> None:
        self._tried.put(tried)
        self._wake.set()

    def _save(self, store: Store) -> None:
        """Stores what came of the attempts that are over."""
        with suppress(queue.Empty):
            while True:
                tried = self._tried.get_nowait()
                self._unsaved.append(tried)
                self._lanes[tried.claimed.webhook].ended(tried)
                _tell(tried)
        if not self._unsaved:
            return
        webhooks = WebhookStore(store.connection)
        for tried in self._unsaved:
            if tried.verdict.disable is not None:
                webhooks.disable(tried.claimed.webhook, tried.verdict.disable)
        try:
            DeliveryStore(store.connection).record([_attempt(tried) for tried in self._unsaved])
        except StatementRefused as error:  # their claims go by themselves: nobody waits for these
            log.error("webhooks: attempts cannot be stored; trying again", error=str(error))
        self._unsaved.clear()

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _finish(self) -> None:
        """What is under way may end; what has ended is stored."""
        deadline_s = time.monotonic() + STOP_S
        try:
            while self._store is not None:
                self._save(self._store)
                under_way = any(lane.under_way for lane in self._lanes.values())
                if not under_way or time.monotonic() >= deadline_s:
                    break
                self._wake.wait(0.1)
                self._wake.clear()
        except DatabaseError as error:
            log.warning("webhooks: what was sent last is sent again", error=str(error))
        self._let_go()

    def _listen(self) -> None:
        """Wakes the sender as soon as something changed; where nothing is heard it looks itself."""
        with self._listener:
            while not self._stopping.is_set():
                if self._listener.wait(LOOK_S):
                    self._wake.set()


def _is_new(payload: object) -> bool:
    return isinstance(payload, dict) and "data" not in payload


def _attempt(tried: Tried) -> Attempt:
    claimed, answer, verdict = tried.claimed, tried.answer, tried.verdict
    return Attempt(
        claimed.id,
        claimed.attempts,
        verdict.state,
        tried.payload,
        answer.took_s,
        answer.status,
        verdict.error,
        answer.excerpt,
        verdict.wait_s,
    )


def _tell(tried: Tried) -> None:
    """A line of the log for what did not go well."""
    claimed, verdict = tried.claimed, tried.verdict
    words = {"webhook": claimed.webhook, "delivery": claimed.id, "job": claimed.job_id}
    if verdict.disable is not None:
        log.error("webhook disabled", because=verdict.disable, **words)
    elif verdict.state == "failed":
        log.error("webhook given up", error=verdict.error, **words)
    elif verdict.state is None:
        log.warning(
            "webhook failed; trying again",
            error=verdict.error, wait_s=round(verdict.wait_s or 0.0, 1), **words,
        )  # fmt: skip
