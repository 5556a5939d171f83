"""The page of one job, as somebody reads it whose render is late."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from reconciler.simulator.outcomes import Outcome
from tests.browser.conftest import OpenPage
from tests.browser.studio import Studio


def test_a_running_job_ends_before_ones_eyes(studio: Studio, page: Page) -> None:
    """Progress, then the verdict, its story and the film, without a reload."""
    job = studio.submit(seconds=3.0, frames=8)
    page.goto(f"/jobs/{job}")
    page.evaluate("window.neverReloaded = true")
    bar = page.get_by_role("progressbar", name=f"Progress of job {job}")
    expect(bar).to_be_visible()
    before = bar.get_attribute("value") or ""
    expect(bar).not_to_have_attribute("value", before)
    now = page.get_by_role("region", name=f"Job {job}")
    expect(now.get_by_text("completed", exact=True)).to_be_visible()
    expect(page.locator("video")).to_be_visible()
    expect(page.locator("#timeline .step").last).to_contain_text("ComfyUI reported success")
    expect(page.get_by_role("region", name="Expected and found")).to_contain_text("met")
    assert page.evaluate("window.neverReloaded")


def test_a_film_plays_and_its_contact_sheet_is_there(studio: Studio, page: Page) -> None:
    """The file comes in ranges, the sheet as soon as it is made."""
    job = studio.submit()
    studio.rows.wait(job, "completed")
    page.goto(f"/jobs/{job}")
    video = page.locator("video")
    expect(video).to_have_js_property("error", None)
    video.evaluate("video => { video.muted = true; return video.play(); }")
    expect(video).to_have_js_property("ended", True)
    assert video.evaluate("video => video.duration") > 0.2
    sheet = page.get_by_role("img", name="Twelve frames of")
    sheet.scroll_into_view_if_needed()
    expect(sheet).to_have_attribute("src", re.compile(r"/sheet\?n=\d+$"))
    expect(sheet).to_have_js_property("complete", True)
    assert sheet.evaluate("image => image.naturalWidth") > 0
    with page.expect_response("**/jobs/" + job):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    expect(sheet).to_have_attribute("src", re.compile(r"/sheet\?n=\d+$"))


def test_an_error_is_told_with_its_node(studio: Studio, page: Page) -> None:
    """Node, type, exception and message; ComfyUI and the row agree."""
    job = studio.submit(Outcome.ERROR)
    studio.rows.wait(job, "failed", "execution_error")
    page.goto(f"/jobs/{job}")
    error = page.get_by_role("region", name="A node raised an error")
    for said in ("SimulatedRender", "RuntimeError", "the script of this prompt says: error"):
        expect(error).to_contain_text(said)
    expect(page.get_by_role("region", name="ComfyUI and we")).to_contain_text("Both say the same")
    now = page.get_by_role("region", name=f"Job {job}")
    expect(now).to_contain_text("What to do.")
    expect(now).to_contain_text(re.compile(r"ended \d+ (s|min) ago"))
    expect(page.get_by_role("region", name="Outputs")).to_contain_text("No file is known")


def test_a_short_film_is_no_success_whatever_comfyui_says(studio: Studio, page: Page) -> None:
    """Expected beside found, the defect, and both verdicts in words."""
    job = studio.submit(Outcome.SHORT, frames=8)
    studio.rows.wait(job, "failed", "invalid_output")
    page.goto(f"/jobs/{job}")
    row = page.get_by_role("region", name="Expected and found").get_by_role("row").last
    expect(row).to_contain_text("8 frames")
    expect(row).to_contain_text("not met")
    beside = page.get_by_role("region", name="ComfyUI and we")
    expect(beside).to_contain_text("they differ")
    expect(beside).to_contain_text("ComfyUI calls it a success")


def test_the_json_is_copied(studio: Studio, open_page: OpenPage) -> None:
    """As REST tells it."""
    job = studio.submit()
    studio.rows.wait(job, "completed")
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/jobs/{job}")
    page.get_by_role("button", name="Copy the JSON of this job").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    told = page.request.get(f"/api/v1/jobs/{job}").json()
    changes = {"age_s", "server_seen"}
    assert {k: v for k, v in copied.items() if k not in changes} == {
        k: v for k, v in told.items() if k not in changes
    }


def test_a_job_is_cancelled_after_a_question(studio: Studio, page: Page) -> None:
    """Nothing happens until it is answered; then the row follows, and who asked is told."""
    job = studio.submit(Outcome.ENDLESS)
    studio.rows.wait(job, "processing")
    page.goto(f"/jobs/{job}")
    cancel = page.get_by_role("button", name="Cancel the job")
    cancel.click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("its prompt", ignore_case=True)
    question.get_by_role("button", name="Leave it").click()
    expect(question).to_be_hidden()
    expect(cancel).to_be_focused()
    cancel.click()
    question.get_by_role("button", name="Cancel the job").click()
    asked = page.get_by_role("region", name="Asked for")
    expect(asked).to_contain_text("cancel")
    expect(asked).to_contain_text("done")
    studio.rows.wait(job, "cancelled")


def test_what_is_html_elsewhere_is_text_here(studio: Studio, page: Page) -> None:
    """An id with slashes and tags, its type, its error and its file's name."""
    tag = "<img src=x onerror=\"document.title='taken'\">"
    job = studio.insert(
        id=f"a/ü/{tag}?#&", job_type=tag, status="failed", error=f"{tag} failed", output_path=tag
    )
    page.goto("/jobs?q=onerror")
    page.get_by_role("link", name=job, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Job {job}")
    expect(page.get_by_text(f"{tag} failed").first).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    assert page.title().startswith("Job a/ü/")


def test_a_job_that_is_not_there_is_said_to_be_so(page: Page) -> None:
    """And what to do instead."""
    answer = page.goto("/jobs/nobody/knows/it")
    assert answer is not None and answer.status == 404
    expect(page.get_by_role("alert")).to_contain_text("There is no job with this id")
    expect(page.get_by_role("link", name="All jobs")).to_be_visible()


def test_what_is_opened_stays_open(studio: Studio, page: Page) -> None:
    """Live updates close nothing that somebody reads."""
    job = studio.submit(seconds=2.0)
    page.goto(f"/jobs/{job}")
    page.get_by_text("JSON, as").click()
    expect(page.locator("#raw")).to_be_visible()
    now = page.get_by_role("region", name=f"Job {job}")
    expect(now.get_by_text("completed", exact=True)).to_be_visible()
    expect(page.locator("#raw")).to_contain_text('"status": "completed"')
    expect(page.locator("#raw")).to_be_visible()
