"""Webhooks over REST: who is told, what became of it, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from reconciler.store import open_store
from reconciler.store.deliveries import Attempt, DeliveryStore
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.integration.web.rest import client_of, get, problem


@pytest.fixture
def client(database: str) -> Iterator[TestClient]:
    """An endpoint whose first delivery was given up, and whose second waits."""
    store = open_store(database)
    url = "https://hooks.example/?<b>"
    webhooks, deliveries = WebhookStore(store.connection), DeliveryStore(store.connection)
    webhooks.name("agent", [Endpoint("a/b c", url, "endings", ["failed"], None)])
    deliveries.test("a/b c")
    (claimed,) = deliveries.claim("a/b c", 1, 60.0)
    deliveries.record(
        [Attempt(claimed.id, claimed.attempts, "failed", claimed.payload, 0.5, 500, "no \x00 luck")]
    )
    deliveries.test("a/b c")
    store.close()
    with client_of(database) as client:
        page = client.get("/", headers={"Accept": "text/html"}).text
        token = page.split('name="csrf-token" content="')[1].split('"')[0]
        client.headers["X-CSRF-Token"] = token
        yield client


def test_who_is_told(client: TestClient) -> None:
    (told,) = get(client, "/api/v1/webhooks")
    assert (told["name"], told["state"], told["statuses"]) == ("a/b c", "enabled", ["failed"])
    assert told["waiting"] == 1


def test_deliveries_come_page_by_page_the_newest_first(client: TestClient) -> None:
    first = get(client, "/api/v1/deliveries", limit=1)
    second = get(client, "/api/v1/deliveries", limit=1, cursor=first["next"])
    shown = [*first["items"], *second["items"]]
    assert [(one["state"], one["attempts"]) for one in shown] == [("waiting", 0), ("failed", 1)]
    assert (shown[1]["last_status"], second["next"]) == (500, None)
    assert [one["id"] for one in get(client, "/api/v1/deliveries", state="failed")["items"]] == [
        shown[1]["id"]
    ]
    assert get(client, "/api/v1/deliveries", webhook="another")["items"] == []


def test_what_was_given_up_is_sent_again(client: TestClient) -> None:
    (failed,) = get(client, "/api/v1/deliveries", state="failed")["items"]
    again = client.post(f"/api/v1/deliveries/{failed['id']}/replay")
    assert (again.status_code, again.json()) == (202, {"ids": [failed["id"]]})
    assert client.post(f"/api/v1/deliveries/{failed['id']}/replay").status_code == 409
    assert client.post("/api/v1/deliveries/999999/replay").status_code == 404


def test_all_of_an_endpoint_is_sent_again(client: TestClient) -> None:
    (failed,) = get(client, "/api/v1/deliveries", state="failed")["items"]
    again = client.post("/api/v1/webhooks/a%2Fb%20c/replay")
    assert again.json() == {"ids": [failed["id"]]}


def test_one_that_was_disabled_is_enabled_and_tried(client: TestClient, database: str) -> None:
    store = open_store(database)
    WebhookStore(store.connection).disable("a/b c", "it answered 410")
    store.close()
    (told,) = get(client, "/api/v1/webhooks")
    assert (told["state"], told["disabled_because"]) == ("disabled", "it answered 410")
    enabled = client.post("/api/v1/webhooks/a%2Fb%20c/enable").json()
    assert (enabled["state"], enabled["disabled_because"]) == ("enabled", None)
    (put_in,) = client.post("/api/v1/webhooks/a%2Fb%20c/test").json()["ids"]
    assert get(client, "/api/v1/deliveries", limit=1)["items"][0]["id"] == put_in


def test_one_is_disabled_by_hand(client: TestClient) -> None:
    disabled = client.post("/api/v1/webhooks/a%2Fb%20c/disable").json()
    assert disabled["state"] == "disabled"
    assert disabled["disabled_because"].endswith(" disabled it")
    assert get(client, "/api/v1/webhooks")[0]["state"] == "disabled"


def test_what_is_wrong_is_a_problem(client: TestClient) -> None:
    for cursor in ("nonsense", "WyJkZWxpdmVyaWVzIiwwLG51bGwsIngiXQ"):
        told = problem(client, "/api/v1/deliveries", 422, cursor=cursor)
        assert told["errors"][0]["name"] == "cursor"
    problem(client, "/api/v1/deliveries", 422, state="gone")
    for action in ("enable", "disable", "test"):
        assert client.post(f"/api/v1/webhooks/nobody/{action}").status_code == 404
