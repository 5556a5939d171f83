"""What goes wrong with a file that is fetched, and whose fault it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import responses

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.view import Viewer
from reconciler.errors import OutputError

URL = "http://gpu:8188"


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as server:
        yield server


def test_a_full_disk_is_no_fault_of_the_servers(server: responses.RequestsMock) -> None:
    """Of a small file it shows when it is closed."""
    server.get(f"{URL}/view", body=b"small", headers={"Content-Length": "5"})
    viewer = Viewer(ServerAddress("gpu", URL), connect_timeout_s=1, timeout_s=1)
    with closing(viewer), pytest.raises(OutputError, match="No space left"):
        viewer.fetch(
            "a.png",
            lambda _: Path("/dev/full").open("wb"),  # noqa: SIM115 - it is closed by whom it is given to
            max_bytes=100,
            heard=lambda taken, of: None,
        )
