"""The list of jobs."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from reconciler.simulator.outcomes import Outcome
from tests.browser.conftest import OpenPage
from tests.browser.studio import Studio
from tests.waiting import wait_for


def _row(page: Page, job: str):  # type: ignore[no-untyped-def]
    return page.locator(f'tr[data-row="{job}"]')


def test_search_and_filters_stand_in_the_address(studio: Studio, page: Page) -> None:
    """So that a link leads to the same list."""
    found = studio.insert(status="failed", error="the disk was full of elephants")
    other = studio.insert(status="completed")
    page.goto("/jobs")
    page.keyboard.press("/")
    page.keyboard.type("elephants")
    page.keyboard.press("Enter")
    expect(_row(page, found)).to_contain_text("elephants")
    expect(_row(page, other)).to_have_count(0)
    assert "q=elephants" in page.url
    page.get_by_label("Status").select_option("completed")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No job is like that.")).to_be_visible()
    assert "q=elephants" in page.url and "status=completed" in page.url
    page.get_by_role("link", name="show all jobs").click()
    expect(_row(page, found)).to_be_visible()


def test_a_row_changes_in_place_and_new_ones_are_announced(studio: Studio, page: Page) -> None:
    """Nothing jumps, nothing in hand is lost, and nothing is reloaded."""
    job = studio.submit(seconds=12.0)
    page.goto("/jobs")
    page.evaluate("window.neverReloaded = true")
    expect(_row(page, job)).to_contain_text("processing")
    _row(page, job).get_by_role("checkbox").check()
    _row(page, job).focus()
    new = studio.insert(status="completed")
    announced = page.get_by_role("button", name="1 new job: show")
    expect(announced).to_be_visible()
    expect(_row(page, new)).to_have_count(0)
    studio.cancel(job)
    expect(_row(page, job)).to_contain_text("cancelled")
    expect(_row(page, job).get_by_role("checkbox")).to_be_checked()
    expect(_row(page, job)).to_be_focused()
    announced.click()
    expect(page.locator("tr[data-row]").first).to_have_attribute("data-row", new)
    expect(announced).to_be_hidden()
    assert page.evaluate("window.neverReloaded")


def test_a_row_that_no_longer_fits_the_filter_says_what_became_of_it(
    studio: Studio, page: Page
) -> None:
    """It stays where it is until the list is asked for anew."""
    job = studio.submit(seconds=12.0)
    page.goto("/jobs?status=open")
    expect(_row(page, job)).to_be_visible()
    studio.cancel(job)
    expect(_row(page, job)).to_contain_text("cancelled")


def test_paused_nothing_changes_until_it_goes_on(studio: Studio, page: Page) -> None:
    """`p` pauses, and goes on."""
    job = studio.insert()
    page.goto(f"/jobs?q={job}")
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "true")
    studio.rows.sql("update production_jobs set status = 'completed' where id = %s", job)
    told = "select 1 from reconciler.job_state where job_id = %s and known_status = 'completed'"
    wait_for(lambda: studio.rows.sql(told, job), "the service has seen it")
    expect(_row(page, job)).to_contain_text("queued")
    page.keyboard.press("p")
    expect(_row(page, job)).to_contain_text("completed")


def test_several_are_cancelled_after_a_question(studio: Studio, page: Page) -> None:
    """`No` asks for nothing; `Yes` once for all of them."""
    jobs = [studio.submit(Outcome.ENDLESS, job_type="cancel us") for _ in range(2)]
    page.goto("/jobs?type=cancel+us")
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    expect(cancel).to_be_disabled()
    page.get_by_label("Select all jobs of this page").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    cancel.click()
    question = page.get_by_role("dialog", name="Cancel: 2 jobs?")
    question.get_by_role("button", name="No").click()
    expect(question).to_be_hidden()
    expect(page.get_by_text("2 selected")).to_be_visible()
    cancel.click()
    with page.expect_response("**/api/v1/jobs/bulk") as answer:
        question.get_by_role("button", name="Yes").click()
    assert answer.value.ok, answer.value.text()
    expect(page.get_by_role("status").filter(has_text="Asked for 2 jobs.")).to_be_visible()
    for job in jobs:
        expect(_row(page, job)).to_contain_text("cancelled")


def test_sorting_and_pages(studio: Studio, page: Page) -> None:
    """By links, also backwards; each page begins behind the last."""
    jobs = [
        studio.insert(status="completed", job_type="many", id=f"many-{n:03}") for n in range(60)
    ]
    page.goto("/jobs?type=many&sort=id")
    expect(page.locator("tr[data-row]")).to_have_count(50)
    expect(page.locator("tr[data-row]").first).to_have_attribute("data-row", jobs[-1])
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tr[data-row]")).to_have_count(10)
    page.get_by_role("link", name="First page").click()
    page.get_by_role("link", name="Job", exact=True).click()
    expect(page.locator("tr[data-row]").first).to_have_attribute("data-row", jobs[0])
    expect(page.get_by_role("columnheader", name="Job")).to_have_attribute("aria-sort", "ascending")


def test_without_scripts_it_can_be_read_and_filtered(studio: Studio, open_page: OpenPage) -> None:
    """Forms and links are all it takes; what would do nothing is not shown."""
    job = studio.insert(status="failed", error="an error of the old days")
    page = open_page(java_script_enabled=False)
    page.goto("/jobs")
    page.get_by_label("Search").fill("old days")
    page.get_by_role("button", name="Show").click()
    expect(_row(page, job)).to_contain_text("an error of the old days")
    expect(page.get_by_role("button", name="Recheck")).to_be_hidden()


def test_failures_are_grouped_by_their_cause(studio: Studio, page: Page) -> None:
    """With examples, and what to do."""
    job = studio.submit(Outcome.ERROR)
    studio.rows.wait(job, "failed")
    page.goto("/failures?period=1h")
    cause = page.get_by_role("article").filter(has_text="SimulatedRender: RuntimeError")
    expect(cause).to_contain_text("What to do.")
    cause.get_by_role("link", name="all that failed of execution_error").click()
    expect(_row(page, job)).to_be_visible()
