"""The page that stays open all day."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from reconciler.simulator.outcomes import Outcome
from tests.browser.studio import Studio


def test_what_runs_moves_without_a_reload(studio: Studio, page: Page) -> None:
    """The bar of a running job grows by what the stream tells."""
    job = studio.submit(seconds=12.0, frames=8)
    page.goto("/")
    page.evaluate("window.neverReloaded = true")
    bar = page.get_by_role("progressbar", name=f"Progress of job {job}")
    expect(bar).to_be_visible()
    before = bar.get_attribute("value") or ""
    expect(bar).not_to_have_attribute("value", before)
    assert page.evaluate("window.neverReloaded")
    studio.cancel(job)
    expect(bar).to_have_count(0)


def test_a_count_leads_to_its_jobs(studio: Studio, page: Page) -> None:
    """Counts are filters."""
    job = studio.insert(status="failed", error="the application's own")
    page.goto("/")
    page.get_by_role("navigation", name="Jobs by status").get_by_role("link", name="failed").click()
    expect(page).to_have_url(f"{studio.url}/jobs?status=failed")
    expect(page.get_by_role("link", name=job, exact=True)).to_be_visible()
    expect(page.get_by_label("Status")).to_have_value("failed")


def test_health_and_servers_are_told_in_words(page: Page) -> None:
    """And not by a colour alone."""
    page.goto("/")
    health = page.get_by_role("region", name="Health")
    for name, word in (
        ("ComfyUI gpu1", "answers"),
        ("Database", "answers"),
        ("Watcher", "watches"),
    ):
        line = health.locator(".line").filter(has_text=name)
        expect(line).to_contain_text(word)


def test_how_jobs_ended_over_time_is_a_picture_and_a_table(studio: Studio, page: Page) -> None:
    """What the bars show can be read."""
    job = studio.submit(Outcome.ERROR)
    studio.rows.wait(job, "failed")
    page.goto("/?over=1h")
    picture = page.get_by_role("img", name="Failed in the last hour")
    expect(picture).to_be_visible()
    page.get_by_text("The numbers as a table").click()
    expect(
        page.get_by_role("region", name="The numbers as a table").locator("tbody tr")
    ).not_to_have_count(0)
