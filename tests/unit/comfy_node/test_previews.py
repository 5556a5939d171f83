"""What running prompts show, kept and handed out: as both versions tell it, and other packs."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from comfy_node.contract import MAX_PREVIEW_BYTES, PREVIEW_PATH, PREVIEW_PX
from comfy_node.pack import Pack
from comfy_node.shown import Shown
from tests.unit.comfy_node.conftest import FakePromptServer

ENCODED, PLAIN, WITH_METADATA = 1, 2, 4


def encoded(kind: str = "JPEG", color: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(data, kind)
    return data.getvalue()


def ask(server: FakePromptServer, prompt_id: str | None = "p1") -> Any:
    (route,) = (route for route in server.routes if route.path == PREVIEW_PATH)
    query = {} if prompt_id is None else {"prompt_id": prompt_id}
    return asyncio.run(route.handler(SimpleNamespace(query=query)))


def color(answer: Any) -> tuple[int, ...]:
    assert (answer.status, answer.content_type) == (200, "image/jpeg")
    pixel = Image.open(io.BytesIO(answer.body)).convert("RGB").getpixel((0, 0))
    return tuple(round(value / 255) for value in pixel)  # type: ignore[union-attr]


def begin(server: FakePromptServer, prompt_id: str = "p1") -> int:
    server.submit(prompt_id)
    return server.take()[1]


@pytest.mark.parametrize(
    "tell",
    [
        lambda image: (PLAIN, ("JPEG", image, 512)),
        lambda image: (WITH_METADATA, (("JPEG", image, 512), {"prompt_id": "p1", "node_id": "1"})),
        lambda image: (ENCODED, b"\0\0\0\1" + encoded()),
        lambda image: (ENCODED, bytearray(b"\0\0\0\1\0\0\0\0 another pack's head " + encoded())),
    ],
    ids=["plain", "with metadata", "encoded", "another pack's"],
)
def test_each_way_of_showing_a_picture(
    server: FakePromptServer, pack: Pack, tell: Callable[[Image.Image], tuple[int, Any]]
) -> None:
    item = begin(server)
    assert ask(server).status == 204, "nothing is shown yet"
    server.send_sync(*tell(Image.new("RGB", (64, 64), "red")), "client")
    assert color(ask(server)) == (1, 0, 0)
    assert ask(server, "p2").status == 204
    server.put_away(item)
    gone = ask(server)
    assert (gone.status, gone.body) == (204, None)


def test_the_newest_is_handed_out(server: FakePromptServer, pack: Pack) -> None:
    begin(server)
    for shown in ("red", "blue"):
        server.send_sync(PLAIN, ("JPEG", Image.new("RGB", (8, 8), shown), None), "client")
        assert ask(server).body == ask(server).body
    assert color(ask(server)) == (0, 0, 1)


def test_metadata_name_the_prompt_whoever_sends_it(server: FakePromptServer, pack: Pack) -> None:
    begin(server)
    data = (("PNG", Image.new("RGBA", (8, 8), "lime"), None), {"prompt_id": "p1"})
    other = threading.Thread(target=server.send_sync, args=(WITH_METADATA, data, "client"))
    other.start()
    other.join()
    assert color(ask(server)) == (0, 1, 0)


def test_a_png_stays_one_and_a_large_picture_becomes_small(
    server: FakePromptServer, pack: Pack
) -> None:
    begin(server)
    server.send_sync(ENCODED, b"\0\0\0\2" + encoded("PNG"), "client")
    assert ask(server).content_type == "image/png"
    noise = Image.effect_noise((3000, 1500), 200)
    server.send_sync(PLAIN, ("JPEG", noise, None), "client")
    answer = ask(server)
    assert len(answer.body) <= MAX_PREVIEW_BYTES
    assert Image.open(io.BytesIO(answer.body)).size == (PREVIEW_PX, PREVIEW_PX // 2)
    assert noise.size == (3000, 1500), "it is ComfyUI's own"


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (ENCODED, b"no picture"),
        (ENCODED, b"\0\0\0\1" + encoded() + bytes(MAX_PREVIEW_BYTES)),
        (ENCODED, None),
        (PLAIN, ()),
        (PLAIN, ("JPEG", "no picture", 512)),
        (WITH_METADATA, (("JPEG", None, 512), {"prompt_id": ["p1"]})),
        (WITH_METADATA, "no pair at all"),
        (3, b"text"),
    ],
)
def test_what_is_no_picture_hurts_nobody(
    server: FakePromptServer, pack: Pack, event: int, data: Any
) -> None:
    begin(server)
    server.send_sync(event, data, "client")
    assert (event, data, "client") in server.sent
    assert ask(server).status == 204
    assert ask(server, None).status == 204


def test_nothing_is_encoded_before_somebody_asks(
    server: FakePromptServer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Shown] = []
    original = Shown.encoded
    monkeypatch.setattr(Shown, "encoded", lambda self: asked.append(self) or original(self))  # type: ignore[func-returns-value]
    begin(server)
    for _ in range(1000):
        server.send_sync(PLAIN, ("JPEG", Image.new("RGB", (8, 8)), None), "client")
    assert asked == []
    ask(server)
    assert len(asked) == 1


def test_a_closed_pack_hands_out_nothing(server: FakePromptServer, pack: Pack) -> None:
    begin(server)
    server.send_sync(PLAIN, ("JPEG", Image.new("RGB", (8, 8)), None), "client")
    pack.close()
    assert ask(server).status == 204
