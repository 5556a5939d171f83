"""One browser and one studio for all tests of the pages; a profile of its own for each test.

All of it ends with this folder: while Playwright runs, no other test could use an event loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.studio import Studio, open_studio
from tests.integration.conftest import (  # noqa: F401 - fixtures
    database,
    fresh_database,
    postgres_url,
    servers_dir,
)

#: Generous, as in tests/waiting.py.
PATIENCE_MS = 20_000

#: Opens a page: keywords are those of `Browser.new_context`.
OpenPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser(studio: Studio) -> Iterator[Browser]:
    """Chromium, started once. It ends before the studio, whose simulator needs an event loop."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        program = chromium.find(playwright.chromium)
        if program is None:
            words = "no Chromium: `make test` says how to come by one"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(words)
        arguments = chromium.arguments()
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="package")
def studio(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:  # noqa: F811
    """A service and a ComfyUI, shared: each test has jobs of its own."""
    with (
        fresh_database(postgres_url) as url,
        open_studio(tmp_path_factory.mktemp("studio"), url) as opened,
    ):
        yield opened


@pytest.fixture
def open_page(browser: Browser, studio: Studio, tmp_path: Path) -> Iterator[OpenPage]:
    """Opens pages of the studio, each in a new profile. No page may raise an error, or break the
    policy of its contents."""
    wrong: list[str] = []
    with ExitStack() as stack:

        def open_one(**options: object) -> Page:
            profile = browser.new_context(**{"base_url": studio.url, **options})  # type: ignore[arg-type]
            profile.set_default_timeout(PATIENCE_MS)
            stack.callback(profile.close)
            page = profile.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: _note_violation(said.text, wrong))
            return page

        yield open_one
    assert not wrong


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page in a window as on a desk."""
    return open_page(viewport={"width": 1280, "height": 850})


def _note_violation(text: str, wrong: list[str]) -> None:
    if "Content Security Policy" in text:
        wrong.append(text)
