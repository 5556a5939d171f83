"""GET /view as the reconciler uses it, for outputs whose directory it cannot read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing

import pytest

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.view import ViewedFile, Viewer
from reconciler.errors import ServerAnswer
from reconciler.simulator.graph import Graph
from tests.contract.talk import Server, fresh_prefix, images_graph, video_graph

pytestmark = pytest.mark.contract


class Kept(io.BytesIO):
    """Keeps what was written when it is closed."""

    taken = b""

    def close(self) -> None:
        self.taken = self.getvalue()
        super().close()


@pytest.fixture
def viewer(server: Server) -> Iterator[Viewer]:
    address = ServerAddress("gpu", server.url)
    with closing(Viewer(address, connect_timeout_s=3.0, timeout_s=30.0)) as viewer:
        yield viewer


def saved(server: Server, graph: Graph) -> str:
    """Has it run; returns the name of the one file that it saves."""
    outputs = server.finish(graph)["outputs"]
    (file,) = [f for node in outputs.values() for f in node["images"] if f["type"] == "output"]
    return f"{file['subfolder']}/{file['filename']}".removeprefix("/")


def fetch(viewer: Viewer, name: str, max_bytes: int = 10**8) -> tuple[ViewedFile | None, bytes]:
    kept = Kept()
    found = viewer.fetch(name, lambda _: kept, max_bytes=max_bytes, heard=lambda taken, of: None)
    return found, kept.taken


def test_an_output_arrives_whole_with_its_size_and_time(server: Server, viewer: Viewer) -> None:
    name = saved(server, images_graph(f"a folder/{fresh_prefix('view')}", batch=1))
    found, body = fetch(viewer, name)
    assert found is not None
    assert (len(body), body[:8]) == (found.size_bytes, b"\x89PNG\r\n\x1a\n")
    if server.output_dir is not None:
        facts = (server.output_dir / name).stat()
        assert (found.size_bytes, found.mtime_ns) == (facts.st_size, facts.st_mtime_ns)


def test_what_is_known_is_not_transferred(server: Server, viewer: Viewer) -> None:
    name = saved(server, video_graph(fresh_prefix("view")))
    for _ in range(3):  # the connection is good for another question
        found = viewer.fetch(name, lambda _: None, max_bytes=10**8, heard=pytest.fail)
        assert found is not None


@pytest.mark.parametrize("name", ["no such file.png", "no folder/nothing.mp4"])
def test_a_file_that_is_not_there_is_no_error(viewer: Viewer, name: str) -> None:
    assert fetch(viewer, name) == (None, b"")


@pytest.mark.parametrize("name", ["../outside.png", "a..b.png"])
def test_a_name_that_comfyui_hands_nothing_out_for_is_an_error(viewer: Viewer, name: str) -> None:
    with pytest.raises(ServerAnswer, match=r"status 40[03]"):
        fetch(viewer, name)
