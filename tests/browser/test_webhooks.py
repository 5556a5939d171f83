"""Webhooks: who is told, what became of it, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from reconciler.store import Store, open_store
from reconciler.store.deliveries import Attempt, DeliveryStore
from reconciler.store.webhooks import Endpoint, WebhookStore
from tests.browser.conftest import OpenPage
from tests.browser.studio import pages_alone, prepare
from tests.browser.test_accessible import RULES

NAME = "<b>studio</b>"


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    """An endpoint whose one delivery was given up, and which is disabled since."""
    prepare(database)
    store = open_store(database)
    webhooks, deliveries = WebhookStore(store.connection), DeliveryStore(store.connection)
    webhooks.name("agent", [Endpoint(NAME, "https://hooks.example/", "endings", None, None)])
    deliveries.test(NAME)
    (claimed,) = deliveries.claim(NAME, 1, 60.0)
    gone = Attempt(claimed.id, 1, "failed", claimed.payload, 0.2, 410, "<i>gone</i>")
    deliveries.record([gone])
    webhooks.disable(NAME, "it answered 410 Gone")
    yield store
    store.close()


@pytest.fixture
def page(open_page: OpenPage, store: Store, database: str, tmp_path: Path) -> Iterator[Page]:
    """The page of webhooks."""
    with pages_alone(tmp_path, database) as url:
        page = open_page(viewport={"width": 1280, "height": 850})
        page.goto(f"{url}/webhooks")
        yield page


def test_what_was_given_up_is_sent_again(store: Store, page: Page) -> None:
    """The row says why it was, and follows."""
    row = page.get_by_role("row").last
    for said in ("failed", "HTTP 410", "<i>gone</i>", NAME, "none: a test"):
        expect(row).to_contain_text(said)
    row.get_by_text("reconciler.test").click()
    expect(row.get_by_text("message")).to_be_visible()
    row.get_by_role("button", name="Send again").click()
    page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    expect(row).to_contain_text("waiting")
    (delivery,) = DeliveryStore(store.connection).page(9)
    assert delivery.state == "waiting"


def test_an_endpoint_that_was_disabled_says_why_and_is_enabled(page: Page) -> None:
    """And a test is put in for it."""
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=NAME))
    expect(card).to_contain_text("it answered 410 Gone")
    card.get_by_role("button", name="Enable").click()
    page.get_by_role("dialog").get_by_role("button", name="Enable").click()
    expect(card).to_contain_text("enabled")
    card.get_by_role("button", name="Test").click()
    page.get_by_role("dialog").get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("region", name="Deliveries").get_by_role("row")).to_have_count(3)


def test_deliveries_are_filtered_by_the_address(page: Page) -> None:
    """By state, endpoint and job."""
    page.get_by_label("State").select_option("delivered")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No delivery is like that")).to_be_visible()
    expect(page.get_by_label("State")).to_have_value("delivered")
    page.get_by_role("link", name="All deliveries", exact=True).click()
    expect(page.get_by_role("row")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_full_page(page: Page, scheme: str) -> None:
    """Opened payload and question included; and a phone needs no scrolling sideways."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 380, "height": 850})
    row = page.get_by_role("row").last
    row.get_by_text("reconciler.test").click()
    assert Axe().run(page, options=RULES).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    row.get_by_role("button", name="Send again").click()
    assert Axe().run(page, options=RULES).response["violations"] == []
