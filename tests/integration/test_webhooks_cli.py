"""`reconciler webhooks`, against a real database and a sender that works or does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from reconciler.store import Store, open_store
from reconciler.store.deliveries import DeliveryStore
from reconciler.store.webhooks import WebhookStore
from tests.integration.commands import fits, is_plain, joined, reconciler
from tests.integration.test_outbox import (
    CLAIM_S,
    delivered,
    ended,
    endpoint,
    failed_for_now,
    tell,
)
from tests.integration.test_webhooks import sending
from tests.receiver import answering, receiver


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    store = open_store(database)
    WebhookStore(store.connection).name("agent", [endpoint("studio", statuses=["failed"])])
    WebhookStore(store.connection).name("other", [endpoint("archive\x1b[31m<b>")])
    yield store
    store.close()


def webhooks(database: str, *given: str) -> subprocess.CompletedProcess[str]:
    return reconciler("webhooks", *given, "--database", database)


def test_endpoints_and_deliveries_fit_the_screen_and_are_json(store: Store, database: str) -> None:
    tell(store, ("job\x1b[2J", ended("failed")), ("2", ended("failed")), ("3", ended()))
    kept = DeliveryStore(store.connection)
    first, second = kept.claim("studio", 5, CLAIM_S)
    kept.record([delivered(first), failed_for_now(second, 90.0)])
    WebhookStore(store.connection).disable("studio", "it answered 410")
    listed = webhooks(database, "list")
    assert "disabled" in listed.stdout and "endings, failed" in listed.stdout
    assert "studio is disabled: it answered 410" in listed.stderr
    shown = webhooks(database, "deliveries")
    assert "200 in 0.10 s" in shown.stdout and "attempt 1: no" in joined(shown.stdout)
    for ran in (listed, shown):
        assert ran.returncode == 0
        assert is_plain(ran.stdout) and fits(ran.stdout)
    endpoints = json.loads(webhooks(database, "list", "--json").stdout)
    assert {(one["name"], one["state"]) for one in endpoints} == {
        ("studio", "disabled"),
        ("archive\x1b[31m<b>", "enabled"),
    }
    only = ("--webhook", "studio", "--state", "delivered", "--json")
    (one,) = json.loads(webhooks(database, "deliveries", *only).stdout)
    assert (one["job_id"], one["last_status"]) == ("job\x1b[2J", 200)


def test_replay_says_what_was_not_there(store: Store, database: str) -> None:
    tell(store, ("1", ended("failed")), ("2", ended("failed")))
    kept = DeliveryStore(store.connection)
    (first,) = kept.claim("studio", 1, CLAIM_S)
    kept.record([delivered(first)])
    assert webhooks(database, "replay", str(first.id)).returncode == 0
    again = webhooks(database, "replay", str(first.id), "999", "99999999999999999999")
    assert again.returncode == 1
    assert "999, 99999999999999999999: no such delivery, or it is waiting" in joined(again.stderr)
    assert webhooks(database, "replay", "--failed", "studio").returncode == 0
    assert webhooks(database, "replay").returncode == 2


def test_disable_and_enable(store: Store, database: str) -> None:
    assert webhooks(database, "disable", "studio", "--because", "it moves").returncode == 0
    known = {one.name: one for one in WebhookStore(store.connection).all()}
    assert known["studio"].disabled_because == "it moves"
    assert webhooks(database, "enable", "studio").returncode == 0
    for what in ("enable", "disable", "test"):
        assert webhooks(database, what, "nobody").returncode == 2


def test_a_test_goes_through_the_sender(store: Store, database: str) -> None:
    silent = webhooks(database, "test", "studio", "--wait-s", "0")
    assert silent.returncode == 1 and "nobody has tried" in silent.stderr
    with receiver() as known, sending(database, known):
        ran = webhooks(database, "test", "hook1")
        assert ran.returncode == 0 and "it answered 200" in ran.stderr
        known.answer = answering(500)
        ran = webhooks(database, "test", "hook1")
        assert ran.returncode == 1 and "not delivered: it answered 500" in ran.stderr
