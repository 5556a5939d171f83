"""What comes from outside is text, whatever it looks like."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.studio import Studio

HTML = "<img src=x onerror='window.ran=1'><script>window.ran=1</script><b>bold</b>"


@pytest.fixture(scope="module")
def job(studio: Studio) -> str:
    """A job whose id, type and error are HTML."""
    return studio.insert(id=HTML, status="failed", job_type=HTML, error=f"node 1: {HTML}")


@pytest.fixture(scope="module")
def filmed(studio: Studio) -> str:
    """A job whose file is named like HTML, as far as a file can be."""
    made = studio.submit(filename_prefix="video/<b>bold<svg onload=window.ran=1>")
    studio.rows.wait(made, "completed")
    return made


def _is_text(page: Page, text: str) -> None:
    expect(page.get_by_text(text).first).to_be_visible()
    expect(page.locator("main b, main svg[onload], main script")).to_have_count(0)
    assert page.evaluate("window.ran") is None


def test_in_the_list(job: str, page: Page) -> None:
    """And what is typed into the search."""
    page.goto("/jobs?status=failed")
    _is_text(page, HTML)
    page.get_by_label("Search").fill(HTML)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Search")).to_have_value(HTML)
    _is_text(page, HTML)


def test_on_the_job_s_own_page(job: str, page: Page) -> None:
    """To which a link leads, whatever the id is."""
    page.goto("/jobs?status=failed")
    page.get_by_role("link", name=HTML).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(HTML)
    _is_text(page, HTML)


def test_a_file_s_name(filmed: str, page: Page) -> None:
    """With its job."""
    page.goto(f"/jobs/{filmed}")
    _is_text(page, "<svg onload=window.ran=1>")


def test_a_page_that_is_not_there(page: Page) -> None:
    """What was asked for is not repeated as markup."""
    page.goto("/jobs/%3Cb%3Ebold%3C%2Fb%3E")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    expect(page.locator("main b")).to_have_count(0)
