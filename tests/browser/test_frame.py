"""What all pages have: looks, keys, times, and what they do without the database."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.studio import Studio, pages_alone, prepare
from tests.faults.proxy import Proxy

PAGES = ("/", "/jobs", "/failures", "/orphans", "/servers", "/webhooks")


def _ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_dark_and_light_as_the_system_says_or_the_switch(open_page: OpenPage) -> None:
    """What was chosen stays, on other pages, too."""
    page = open_page(color_scheme="light")
    page.goto("/")
    light = _ground(page)
    page.emulate_media(color_scheme="dark")
    dark = _ground(page)
    assert dark != light
    page.get_by_role("button", name="Dark mode").click()
    assert _ground(page) == light
    page.goto("/jobs")
    assert _ground(page) == light
    page.keyboard.press("d")
    assert _ground(page) == dark


def test_keys(studio: Studio, page: Page) -> None:
    """`?` lists them; they can be turned off."""
    studio.insert(status="completed")
    job = studio.insert(status="completed")
    page.goto("/")
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_).to_contain_text("Next and previous row")
    page.keyboard.press("Escape")
    expect(help_).to_be_hidden()
    page.keyboard.type("gj")
    expect(page).to_have_url(f"{studio.url}/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.keyboard.press("j")
    first = page.locator("tr[data-row]").first
    expect(first).to_be_focused()
    page.keyboard.press("x")
    expect(first.get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("j")
    expect(page.locator("tr[data-row]").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_contain_text(job)


def test_a_key_that_is_pressed_before_the_scripts_are_there_is_heard(page: Page) -> None:
    """As on a slow line."""
    held: list[Route] = []
    page.route("**/js/keys.js", lambda route: held.append(route))  # noqa: PLW0108 - as Playwright wants it
    with page.expect_request("**/js/keys.js"):
        page.goto("/jobs", wait_until="commit")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    held[0].continue_()
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_single_keys_can_be_turned_off(studio: Studio, page: Page) -> None:
    """They are in the way of those who speak to their browser."""
    page.goto("/")
    page.keyboard.press("?")
    page.get_by_label("Single keys are shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Live")).to_be_visible()


def test_the_contents_are_the_first_thing_a_keyboard_can_skip_to(page: Page) -> None:
    """Past the bar."""
    page.goto("/jobs")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the contents")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_times_are_how_long_ago_or_of_the_clock(studio: Studio, page: Page) -> None:
    """What was chosen stays."""
    job = studio.insert(status="completed")
    page.goto(f"/jobs?q={job}")
    time = page.locator("tr[data-row] time").first
    expect(time).to_contain_text("ago")
    page.keyboard.press("t")
    expect(time).not_to_contain_text("ago")
    page.reload()
    expect(time).not_to_contain_text("ago")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_small_phone(
    studio: Studio, open_page: OpenPage, path: str
) -> None:
    """Also with ids and errors without a space."""
    studio.insert(id=studio.name("x" * 80), status="failed", error="y" * 400, job_type="z" * 100)
    page = open_page(viewport={"width": 380, "height": 800})
    page.goto(path)
    expect(page.get_by_role("main")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


def test_the_database_goes_away_and_comes_back(
    open_page: OpenPage,
    database: str,
    tmp_path: Path,
) -> None:
    """An open page says so, keeps what it shows, and goes on by itself; so does one that is opened
    meanwhile."""
    prepare(database).insert(id="before", status="completed")
    parts = urlsplit(database)
    assert parts.hostname and parts.port
    with Proxy(parts.hostname, parts.port) as proxy:
        through = parts._replace(netloc=parts.netloc.replace(str(parts.port), str(proxy.port)))
        with pages_alone(tmp_path, through.geturl()) as url:
            page, late = open_page(), open_page()
            page.goto(f"{url}/jobs")
            expect(page.get_by_role("link", name="before")).to_be_visible()
            proxy.refuse()
            proxy.cut()
            banner = page.get_by_role("status").filter(has_text="is away")
            expect(banner).to_be_visible()
            expect(page.get_by_role("button", name="Reconnecting")).to_be_visible()
            expect(page.get_by_role("link", name="before")).to_be_visible()
            late.goto(f"{url}/jobs")
            expect(late.get_by_role("heading", name="The database is away")).to_be_visible()
            proxy.accept()
            expect(banner).to_be_hidden()
            expect(page.get_by_role("button", name="Live")).to_be_visible()
            expect(late.get_by_role("link", name="before")).to_be_visible()


def test_empty_pages_say_what_to_do(open_page: OpenPage, database: str, tmp_path: Path) -> None:
    """On a database on which nothing has happened yet."""
    prepare(database)
    said = {
        "/": "There is no job yet.",
        "/jobs": "Insert a row into the jobs table",
        "/failures": "Nothing failed",
        "/jobs?q=nothing": "No job is like that.",
        "/servers": "reconciler run",
    }
    with pages_alone(tmp_path, database) as url:
        page = open_page()
        for path, words in said.items():
            page.goto(url + path)
            expect(page.get_by_role("main")).to_contain_text(words)
