"""A directory, a kind of watch, and an ear."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.watch.watching import Heard, Kind


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(params=["inotify", "polling"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return "inotify" if request.param == "inotify" else "polling"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    output = tmp_path / "output"
    output.mkdir()
    return output
