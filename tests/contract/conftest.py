"""The server under contract: both simulated versions, or the real one at COMFYUI_URL."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests

from reconciler.simulator import Simulator
from tests.contract.talk import DEADLINE_S, Server
from tests.integration.conftest import postgres_url, servers_dir

__all__ = ["postgres_url", "servers_dir"]

REAL_URL = os.environ.get("COMFYUI_URL", "").rstrip("/")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every contract test against each server there is."""
    if "any_server" in metafunc.fixturenames:
        names = ["real"] if REAL_URL else ["0.3.64", "0.33.0"]
        metafunc.parametrize("any_server", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests, which leave nothing behind in it but their files."""
    if REAL_URL:
        yield _describe(REAL_URL)
        return
    output_dir = tmp_path_factory.mktemp("output")
    with Simulator(output_dir, version=request.param, pack=False) as simulator:
        yield _describe(simulator.url)


@pytest.fixture
def server(any_server: Server) -> Iterator[Server]:
    """The server, idle before and after the test."""
    any_server.quieten()
    yield any_server
    any_server.quieten()


def _describe(url: str) -> Server:
    stats = requests.get(f"{url}/system_stats", timeout=DEADLINE_S).json()
    nodes = requests.get(f"{url}/object_info", timeout=DEADLINE_S).json()
    return Server(url, stats["system"]["comfyui_version"], frozenset(nodes))
