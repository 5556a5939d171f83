"""WCAG AA, as far as axe can tell: contrast, names, roles, structure; light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from reconciler.simulator.outcomes import Outcome
from tests.browser.conftest import OpenPage
from tests.browser.studio import Studio
from tests.browser.test_frame import PAGES

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
DESK: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 380, "height": 800}
#: What a small page may have that the same page has not when it is wide.
SMALL = {
    "runOnly": {
        "type": "rule",
        "values": [
            "color-contrast",
            "target-size",
            "label",
            "th-has-data-cells",
            "scrollable-region-focusable",
        ],
    }
}
#: What a dark page may have that the same page has not when it is light.
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.fixture(scope="module")
def told(studio: Studio) -> Iterator[list[str]]:
    """Paths of all pages, and there is something on each."""
    failed = studio.submit(Outcome.TRUNCATED)
    done = studio.submit()
    studio.insert(status="cancelled")
    studio.rows.wait(failed, "failed")
    studio.rows.wait(done, "completed")
    running = studio.submit(Outcome.ENDLESS)
    studio.rows.wait(running, "processing")
    jobs = [f"/jobs/{job}" for job in (failed, done, running)]
    yield [*PAGES, "/jobs?q=nothing+at+all", *jobs, "/nowhere"]
    studio.cancel(running)


def test_axe_finds_nothing(open_page: OpenPage, told: list[str]) -> None:
    """On any page, light or dark, on a desk or a phone."""
    page = open_page(reduced_motion="reduce")
    found: list[str] = []
    for path in told:
        page.emulate_media(color_scheme="light")
        page.goto(path)
        expect(page.get_by_role("main")).to_be_visible()
        found += _violations(page, f"light {path}", RULES)
        page.emulate_media(color_scheme="dark")
        found += _violations(page, f"dark {path}", CONTRAST)
        page.set_viewport_size(PHONE)
        found += _violations(page, f"phone {path}", SMALL)
        page.set_viewport_size(DESK)
    assert not found, "\n".join(found)


def _violations(page: Page, where: str, rules: dict[str, object]) -> list[str]:
    result = Axe().run(page, options=rules)
    return [
        f"{where}: {one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in result.response["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dialogs_too(open_page: OpenPage, told: list[str], scheme: str) -> None:
    """The help, and the question before a job is changed, opened; afterwards the focus is where it
    was."""
    page = open_page(color_scheme=scheme)
    page.goto("/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert Axe().run(page, options=RULES).response["violations"] == []
    page.keyboard.press("Escape")
    page.goto(told[-2])
    cancel = page.get_by_role("button", name="Cancel the job")
    cancel.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert Axe().run(page, options=RULES).response["violations"] == []
    page.keyboard.press("Escape")
    expect(cancel).to_be_focused()
