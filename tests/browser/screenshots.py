"""Takes the pictures of the pages for the documentation, of the demonstration as it runs:
`python -m tests.browser.screenshots FOLDER`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import chromium
from tests.waiting import wait_for

#: Of a window, in pixels.
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 380, "height": 800}
#: So many jobs have ended when the overview is worth a picture; then one of all others.
WORTH_SEEING, ALL = 8, 17


@contextmanager
def demonstration(log: Path) -> Iterator[str]:
    """The address of its pages while it runs."""
    command = [sys.executable, "-m", "reconciler", "demo", "--keep"]
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            yield wait_for(lambda: _address(log), "the demonstration tells its address")
        finally:
            process.send_signal(signal.SIGINT)


def _address(log: Path) -> str | None:
    found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))
    return found[0] if found else None


def _ended(url: str) -> int:
    counts = requests.get(f"{url}/api/v1/stats", timeout=10.0).json()["counts"]
    return int(sum(counts[status] for status in ("completed", "failed", "cancelled")))


def take(page: Page, url: str, folder: Path) -> None:
    """All pictures, in the order in which there is something to be seen."""
    wait_for(lambda: _ended(url) >= WORTH_SEEING, "half of it is over", 90.0)
    page.goto(f"{url}/?over=1h")
    expect(page.get_by_role("progressbar").first).to_be_visible()
    page.screenshot(path=folder / "overview.png")
    page.goto(f"{url}/jobs")
    page.screenshot(path=folder / "jobs.png")
    wait_for(lambda: _ended(url) >= ALL, "all of it is over", 90.0)
    page.goto(f"{url}/failures")
    page.screenshot(path=folder / "failures.png")
    page.goto(f"{url}/jobs?failure=invalid_output")
    page.locator("tr[data-row] th a").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Live")).to_be_visible()
    page.screenshot(path=folder / "job.png")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark")
    page.goto(f"{url}/?over=1h")
    page.screenshot(path=folder / "phone.png")


def main(folder: Path) -> None:
    """Into this folder."""
    log = folder / ".screenshots.log"
    # A job of a shell in the background ignores it, and what it starts does, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with demonstration(log) as url, sync_playwright() as playwright:
        program = chromium.find(playwright.chromium)
        browser = playwright.chromium.launch(executable_path=program, args=chromium.arguments())
        take(browser.new_page(viewport=DESK), url, folder)  # type: ignore[arg-type]
        browser.close()
    log.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
