"""What a running prompt shows: to whom ComfyUI sends it, and what the node pack hands out."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from PIL import Image

from comfy_node.contract import MAX_PREVIEW_BYTES, PREVIEW_PATH, PREVIEW_PX
from tests.contract.talk import DEADLINE_S, Graph, Server, fresh_prefix, images_graph, wait_until

pytestmark = pytest.mark.contract

#: What is shown has 256 x 64 pixels; ComfyUI sends it as large as its --preview-size.
SENT = (512, 128)


@pytest.fixture
def shower(server: Server) -> Server:
    """A server with the node that shows pictures."""
    if "SlowPreviews" not in server.nodes:
        pytest.skip(
            f"the ComfyUI at {server.url} lacks tests/contract/lab_nodes: link them into it"
        )
    return server


@pytest.fixture
def packed_shower(shower: Server, pack_server: Server) -> Server:
    """The same with the node pack."""
    return pack_server


def showing_graph(frames: int = 400, width: int = 256) -> Graph:
    inputs = {"frames": frames, "width": width, "height": 64, "step_seconds": 0.05}
    save = {"images": ["1", 0], "filename_prefix": fresh_prefix("shown")}
    return {
        "1": {"class_type": "SlowPreviews", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": save},
    }


@contextmanager
def showing(server: Server, **body: object) -> Iterator[str]:
    """A prompt that runs and shows pictures; interrupted at the end."""
    prompt_id = server.submit(showing_graph(), **body)
    server.wait_until_running(prompt_id)
    yield prompt_id
    server.post("/interrupt", {"prompt_id": prompt_id})
    server.wait_for_end(prompt_id)


def ask(server: Server, prompt_id: str, path: str = PREVIEW_PATH) -> requests.Response:
    query = {"prompt_id": prompt_id}
    return requests.get(server.url + path, params=query, timeout=DEADLINE_S)


def shown(server: Server, prompt_id: str) -> requests.Response:
    """The picture, once there is one."""

    def look() -> requests.Response | None:
        answer = ask(server, prompt_id)
        return answer if answer.status_code == requests.codes.ok else None

    found = wait_until(look, "a picture")
    assert found is not None
    return found


def test_only_the_submitter_is_sent_pictures(shower: Server) -> None:
    with shower.listen() as client, shower.listen() as observer:
        with showing(shower, client_id=client.client_id):
            wait_until(lambda: client.previews, "a picture")
        kinds = {struct.unpack(">II", each[:8]) for each in client.previews}
        assert kinds == {(1, 1)}
        assert Image.open(io.BytesIO(client.previews[0][8:])).size == SENT
        assert observer.previews == []


def test_who_takes_metadata_is_told_what_a_picture_is_of(shower: Server) -> None:
    with shower.listen() as client:
        client.send({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        client.wait_for("feature_flags")
        with showing(shower, client_id=client.client_id) as prompt_id:
            wait_until(lambda: client.previews, "a picture")
        kind, length = struct.unpack(">II", client.previews[0][:8])
        assert kind == 4
        told = json.loads(client.previews[0][8 : 8 + length])
        assert (told["prompt_id"], told["real_node_id"]) == (prompt_id, "1")
        assert told["image_type"] == "image/jpeg"
        assert Image.open(io.BytesIO(client.previews[0][8 + length :])).size == SENT


@pytest.mark.parametrize("whose", ["nobody", "away", "plain", "with metadata"])
def test_the_pack_hands_out_the_newest_picture_whoever_submitted(
    packed_shower: Server, whose: str
) -> None:
    server = packed_shower
    with server.listen() as client:
        if whose == "with metadata":
            client.send({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            client.wait_for("feature_flags")
        ids = {"nobody": None, "away": "somebody who is away"}
        client_id = ids.get(whose, client.client_id)
        with showing(
            server, **({} if client_id is None else {"client_id": client_id})
        ) as prompt_id:
            first = shown(server, prompt_id)
            assert first.headers["Content-Type"] == "image/jpeg"
            assert first.headers["Cache-Control"] == "no-store"
            assert len(first.content) <= MAX_PREVIEW_BYTES
            picture = Image.open(io.BytesIO(first.content))
            assert (picture.size, max(picture.size) <= PREVIEW_PX) == ((256, 64), True)
            wait_until(lambda: ask(server, prompt_id).content != first.content, "another picture")
            assert ask(server, prompt_id, f"/api{PREVIEW_PATH}").ok
            assert ask(server, "another").status_code == 204
        # It is in the history a moment before the pack has done with it.
        wait_until(lambda: ask(server, prompt_id).status_code == 204, "no picture any more")
        assert ask(server, prompt_id).content == b""


def test_a_prompt_that_shows_nothing_has_no_picture(pack_server: Server) -> None:
    prompt_id = pack_server.submit(images_graph(fresh_prefix("dark")))
    pack_server.wait_for_end(prompt_id)
    answer = ask(pack_server, prompt_id)
    assert (answer.status_code, answer.content) == (204, b"")


def test_without_the_pack_there_is_no_such_route(server: Server) -> None:
    if server.has_pack:
        pytest.skip("this one has it")
    answer = ask(server, "any")
    assert (answer.status_code, answer.content) == (404, b""), "as any path that it does not know"
