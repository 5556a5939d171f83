"""Servers and agents."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.studio import Studio, pages_alone, prepare
from tests.integration.conftest import execute


def test_a_server_says_how_it_is_and_what_it_runs(studio: Studio, page: Page) -> None:
    """Its health in words, the job with its bar, and who reconciles it."""
    job = studio.submit(seconds=3.0)
    page.goto("/servers")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="gpu1"))
    expect(card).to_contain_text("answers")
    expect(card).to_contain_text("alive")
    expect(card.get_by_role("link", name=job, exact=True)).to_be_visible()
    expect(card.get_by_role("progressbar", name=f"Progress of job {job}")).to_be_visible()
    agent = page.get_by_role("region", name="Agents").get_by_role("row").last
    expect(agent).to_contain_text("reconciles")
    expect(agent).to_contain_text("gpu1")


def test_what_is_wrong_is_told_in_words(open_page: OpenPage, database: str, tmp_path: Path) -> None:
    """A server that is silent, an agent that is gone, and that nobody looks. How long a job takes
    that runs on a silent server, nobody knows."""
    prepare(database).insert(id="late", status="processing")
    execute(
        database,
        "insert into reconciler.job_state"
        " (job_id, known_status, stage, server, rule, progress, eta_s)"
        " values ('late', 'processing', 'running', '<b>gpu9</b>', 'unreachable', 99, 0.4)",
    )
    execute(
        database,
        "insert into reconciler.servers (name, url, unreachable_since, unreachable_how)"
        " values ('<b>gpu9</b>', 'http://gpu9:8188', now() - interval '1 hour', 'refused')",
    )
    execute(
        database,
        "insert into reconciler.agents (id, name, host, pid, version, revision, heartbeat_at)"
        " values ('a', 'old', 'gpu9', 1, '0', '0001', now() - interval '1 day')",
    )
    with pages_alone(tmp_path, database) as url:
        page = open_page()
        page.goto(f"{url}/servers")
        card = page.get_by_role("listitem").filter(
            has=page.get_by_role("heading", name="<b>gpu9</b>")
        )
        expect(card).to_contain_text("does not answer")
        expect(card).to_contain_text("has not answered for 1 h: nothing listens there")
        expect(card).to_contain_text("Reconciled bynobody")
        expect(page.get_by_role("row").last).to_contain_text("gone")
        for path in ("/", "/jobs", "/jobs/late"):
            page.goto(url + path)
            expect(page.get_by_text("time left unknown")).to_be_visible()


def test_where_nothing_is_there_yet_the_page_says_what_to_do(
    open_page: OpenPage, database: str, tmp_path: Path
) -> None:
    """Empty pages."""
    prepare(database)
    with pages_alone(tmp_path, database) as url:
        page = open_page()
        page.goto(f"{url}/servers")
        expect(page.get_by_text("No server is known yet")).to_be_visible()
        expect(page.get_by_text("No agent is there")).to_be_visible()
        page.goto(f"{url}/orphans")
        expect(page.get_by_text("No orphans")).to_be_visible()
        page.goto(f"{url}/webhooks")
        expect(page.get_by_text("Nobody is told")).to_be_visible()
        expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
