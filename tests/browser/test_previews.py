"""What is to be seen of a job while it runs, and of one whose film is damaged."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from reconciler.simulator import render_graph
from reconciler.simulator.outcomes import Outcome
from tests.browser.studio import Studio


def test_what_the_sampler_shows_is_seen_while_it_runs(studio: Studio, page: Page) -> None:
    """It comes by itself, changes, and is gone with the run."""
    graph = render_graph(seconds=30.0, frames=300, previews=True, seed=77_001)
    job = studio.insert(comfyui_job_id=studio.simulator.submit(graph))
    page.goto(f"/jobs/{job}")
    sampler = page.get_by_role("img", name="What the sampler shows")
    expect(sampler).to_be_visible()
    assert sampler.evaluate("image => image.naturalWidth") == 64
    before = sampler.get_attribute("src") or ""
    expect(sampler).not_to_have_attribute("src", before)
    studio.cancel(job)
    expect(sampler).to_be_hidden()


def test_a_damaged_film_says_why_in_the_place_of_its_pictures(studio: Studio, page: Page) -> None:
    """A picture with the reason in words, for programs that only show pictures, too."""
    job = studio.submit(Outcome.TRUNCATED)
    studio.rows.wait(job, "failed", "invalid_output")
    page.goto(f"/jobs/{job}")
    sheet = page.get_by_role("img", name="Twelve frames of")
    sheet.scroll_into_view_if_needed()
    expect(sheet).to_have_js_property("complete", True)
    assert sheet.evaluate("image => image.naturalWidth") == 320


def test_a_picture_that_too_many_wait_for_is_asked_for_again(studio: Studio, page: Page) -> None:
    """503 says later, not never."""
    job = studio.submit()
    studio.rows.wait(job, "completed")
    refused: list[str] = []

    def refuse_twice(route: Route) -> None:
        if len(refused) == 2:
            return route.continue_()
        refused.append(route.request.url)
        return route.fulfill(status=503, headers={"Retry-After": "1"})

    page.route("**/sheet*", refuse_twice)
    page.goto(f"/jobs/{job}")
    sheet = page.get_by_role("img", name="Twelve frames of")
    sheet.scroll_into_view_if_needed()
    expect(sheet).to_have_attribute("src", re.compile(r"/sheet\?n=\d+$"))
    assert len(refused) == 2
