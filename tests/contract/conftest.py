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


#: Versions that are played, each without the node pack and with it.
PLAIN = ["0.3.64", "0.33.0"]
PACKED = [f"{version}-pack" for version in PLAIN]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every contract test against each server there is: the pack must change nothing of what
    ComfyUI does."""
    if "any_server" in metafunc.fixturenames:
        played = PACKED if "pack_server" in metafunc.fixturenames else PLAIN + PACKED
        names = ["real"] if REAL_URL else played
        metafunc.parametrize("any_server", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server for all tests, which leave nothing behind in it but their files."""
    if REAL_URL:
        yield _describe(REAL_URL, Path(REAL_OUTPUT) if REAL_OUTPUT else None)
        return
    version, _, pack = request.param.partition("-")
    output_dir = tmp_path_factory.mktemp("output")
    with Simulator(output_dir, version=version, pack=bool(pack)) as simulator:
        yield _describe(simulator.url, output_dir)


@pytest.fixture
def server(any_server: Server) -> Iterator[Server]:
    """The server, idle before and after the test."""
    any_server.quieten()
    yield any_server
    any_server.quieten()


@pytest.fixture
def pack_server(server: Server) -> Server:
    """A server with the node pack; a real one that lacks it cannot be asked."""
    if not server.has_pack:
        pytest.skip(f"the ComfyUI at {server.url} has no node pack: link comfy_node into it")
    return server


def _describe(url: str, output_dir: Path | None) -> Server:
    stats = requests.get(f"{url}/system_stats", timeout=DEADLINE_S).json()
    nodes = requests.get(f"{url}/object_info", timeout=DEADLINE_S).json()
    has_pack = requests.get(url + SNAPSHOT_PATH, timeout=DEADLINE_S).status_code == 200
    version = stats["system"]["comfyui_version"]
    return Server(url, version, frozenset(nodes), output_dir, has_pack)
