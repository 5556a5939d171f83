"""The browser of these tests: the system's Chromium, else the one that Playwright brought."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.sync_api import BrowserType

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: It talks to nobody but us, and asks nothing.
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find(chromium: BrowserType) -> str | None:
    """The program; None where there is none."""
    named = next(filter(None, map(shutil.which, NAMES)), None)
    return named or (chromium.executable_path if Path(chromium.executable_path).exists() else None)


def arguments() -> list[str]:
    """Its options. For root its sandbox does not work."""
    return [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
