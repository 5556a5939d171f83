"""What goes wrong with a file that is fetched, and whose fault it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import responses

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.view import Viewer
from reconciler.errors import OutputError, ServerAnswer

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


def asked(server: responses.RequestsMock, *, refusal: int) -> object:
    """The answer about a file that is said not to be there; `refusal` is what ".." gets."""
    server.get(f"{URL}/view", status=404, match=[_query("a.png", subfolder="")])
    server.get(f"{URL}/view", status=refusal, match=[_query("..")])
    viewer = Viewer(ServerAddress("gpu", URL), connect_timeout_s=1, timeout_s=1)
    with closing(viewer):
        return viewer.fetch(
            "a.png", lambda _: pytest.fail("is there"), max_bytes=1, heard=pytest.fail
        )


def _query(name: str, **more: str) -> Callable[..., object]:
    query = {"filename": name, "type": "output", **more}
    return responses.matchers.query_param_matcher(query, strict_match=True)


@pytest.mark.parametrize("refusal", [400, 403])
def test_a_file_that_comfyui_does_not_have(server: responses.RequestsMock, refusal: int) -> None:
    assert asked(server, refusal=refusal) is None


def test_an_empty_404_of_a_proxy_is_no_missing_file(server: responses.RequestsMock) -> None:
    with pytest.raises(ServerAnswer, match="404"):
        asked(server, refusal=404)
