"""Webhooks: what the outbox costs a pass, and how many messages a sender delivers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from statistics import median

from rich.console import Console
from rich.table import Table

from reconciler.notify.webhooks.lane import Lane
from reconciler.notify.webhooks.post import Target
from reconciler.notify.webhooks.sender import Sender
from reconciler.notify.webhooks.verdict import Limits
from reconciler.store import Store, open_store, states
from reconciler.store.deliveries import DeliveryStore
from reconciler.store.listening import Listener
from reconciler.store.records import Event
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.receiver import SECRET, receiver
from tests.waiting import wait_for

BATCH = 1000


def run(console: Console, url: str, *, quick: bool) -> None:
    """Prints one table; every figure is of this run."""
    messages, rounds = (500, 5) if quick else (5000, 15)
    table = Table(title="webhooks", title_justify="left")
    for column in ("what", "figure", "beside none"):
        table.add_column(column)
    with closing(open_store(url)) as store:
        none_s = 0.0
        for number in (0, 1, 5):
            WebhookStore(store.connection).name("bench", [_endpoint(n) for n in range(number)])
            took_s = _told_s(store, rounds)
            none_s = none_s or took_s
            what = f"{BATCH} endings in one transaction, endpoints: {number}"
            table.add_row(what, f"{took_s * 1000:.0f} ms", f"{took_s / none_s:.1f} times")
        for parallel in (1, 4, 16):
            rate = _rate(store, url, messages, parallel)
            table.add_row(
                f"messages to a receiver here, {parallel} at once", f"{rate:.0f} a second"
            )
    console.print(table)


def _told_s(store: Store, rounds: int) -> float:
    """How long it takes to tell a batch of events."""
    batch = [(str(n), 1, Event("status", "it is completed", "processing", "completed"))
             for n in range(BATCH)]  # fmt: skip

    def tell() -> None:
        with store.connection.writing() as cursor:
            states.tell(cursor, batch)

    return median(_took_s(tell) for _ in range(rounds))


def _rate(store: Store, url: str, messages: int, parallel: int) -> float:
    """Messages in a second, from the outbox to the receiver and back."""
    with store.connection.writing() as cursor:
        cursor.execute("delete from reconciler.deliveries")
    kept = DeliveryStore(store.connection)
    with receiver() as known:
        WebhookStore(store.connection).name("bench", [_endpoint(0)])
        told = [(str(n), 1, Event("status", "done", "processing", "completed"))
                for n in range(messages)]  # fmt: skip
        for start in range(0, messages, BATCH):
            with store.connection.writing() as cursor:
                states.tell(cursor, told[start : start + BATCH])
        target = Target(known.url, allow_private=True)
        lane = Lane("hook0", target, (SECRET,), Limits(3600.0), 10.0, parallel)
        with _sending(lane, url, store):
            return messages / _took_s(
                lambda: wait_for(lambda: not kept.outbox().waiting, "all are delivered", 300.0)
            )


@contextmanager
def _sending(lane: Lane, url: str, store: Store) -> Iterator[None]:
    opened = lambda: open_store(url, create=False)  # noqa: E731
    sender = Sender([lane], opened, Listener(store.connection), max_age_s=3600.0)
    sender.start()
    try:
        yield
    finally:
        sender.stop()


def _endpoint(number: int) -> Endpoint:
    return Endpoint(f"hook{number}", "http://127.0.0.1/", "endings", None, None)


def _took_s(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s
