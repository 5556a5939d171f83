"""A simulator of the newer version for a test of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.simulator import Simulator
from tests.contract.talk import Server


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "output", pack=False) as running:
        yield running


@pytest.fixture
def server(simulator: Simulator) -> Server:
    return Server(simulator.url, "0.33.0", frozenset())
