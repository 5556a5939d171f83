"""The servers under contract: both simulated versions, or the real one at COMFYUI_URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from comfy_node.contract import SNAPSHOT_PATH
from reconciler.simulator import Simulator
from tests.contract.talk import DEADLINE_S, Server
from tests.integration.conftest import database, postgres_url, servers_dir

#: Fixtures that the matrix of endings takes over.
__all__ = ["database", "postgres_url", "servers_dir"]

REAL_URL = os.environ.get("COMFYUI_URL", "").rstrip("/")
#: The real one's output directory, where this machine can read it.
REAL_OUTPUT = os.environ.get("COMFYUI_OUTPUT", "")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every contract test against each server there is."""
    for fixture in ("any_server", "any_pack_server"):
        if fixture in metafunc.fixturenames:
            names = ["real"] if REAL_URL else ["0.3.64", "0.33.0"]
            metafunc.parametrize(fixture, names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests, which leave nothing behind in it but their files."""
    yield from _serve(request.param, tmp_path_factory, pack=False)


@pytest.fixture(scope="session")
def any_pack_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The same with the node pack; of a real one that lacks it, nothing can be asked."""
    for server in _serve(request.param, tmp_path_factory, pack=True):
        if server.get(SNAPSHOT_PATH).status_code != 200:
            pytest.skip(f"the ComfyUI at {server.url} has no node pack: link comfy_node into it")
        yield server


@pytest.fixture
def server(any_server: Server) -> Iterator[Server]:
    """The server, idle before and after the test."""
    any_server.quieten()
    yield any_server
    any_server.quieten()


@pytest.fixture
def pack_server(any_pack_server: Server) -> Iterator[Server]:
    """A server with the node pack, idle before and after the test."""
    any_pack_server.quieten()
    yield any_pack_server
    any_pack_server.quieten()


def _serve(
    version: str, tmp_path_factory: pytest.TempPathFactory, *, pack: bool
) -> Iterator[Server]:
    if REAL_URL:
        yield _describe(REAL_URL, Path(REAL_OUTPUT) if REAL_OUTPUT else None)
        return
    output_dir = tmp_path_factory.mktemp("output")
    with Simulator(output_dir, version=version, pack=pack) as simulator:
        yield _describe(simulator.url, output_dir)


def _describe(url: str, output_dir: Path | None) -> Server:
    stats = requests.get(f"{url}/system_stats", timeout=DEADLINE_S).json()
    nodes = requests.get(f"{url}/object_info", timeout=DEADLINE_S).json()
    return Server(url, stats["system"]["comfyui_version"], frozenset(nodes), output_dir)
