"""What doctor says of the node pack: there, absent, of another version, failing, or several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Thread
from typing import Any

import pytest

from comfy_node.contract import PACK_VERSION, SNAPSHOT_FORMAT, SNAPSHOT_PATH, TAG_NODE
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.transport import Transport
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.pack import check_pack
from tests.unit.comfyui.snapshots import snapshot
from tests.unit.comfyui.tcp import free_port

NODE_INFO = {f"/object_info/{TAG_NODE}": (200, {TAG_NODE: {"name": TAG_NODE}})}


@contextmanager
def serving(*answers: dict[str, tuple[int, Any]]) -> Iterator[str]:
    """A server for each of these, in turn, behind one address: a connection each."""
    turn = cycle(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.answers = next(turn)

        def do_GET(self) -> None:
            status, body = self.answers.get(self.path, (404, "Not Found"))
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def found(url: str) -> dict[str, Finding]:
    with closing(Transport(ServerAddress("gpu1", url), 0.5, 2.0, 10**6)) as transport:
        return {each.what.partition(", ")[2]: each for each in check_pack("gpu1", transport)}


def found_with(**told: Any) -> dict[str, Finding]:
    with serving({SNAPSHOT_PATH: (200, snapshot(**told))}) as url:
        return found(url)


def test_a_pack_that_is_well() -> None:
    findings = found_with(boot_id="0123456789")
    assert [each.level for each in findings.values()] == [Level.OK, Level.OK]
    assert f"version {PACK_VERSION}, boot 01234567:" in findings["node pack"].detail
    assert "lives" in findings["worker"].detail


def test_no_pack() -> None:
    with serving({f"/object_info/{TAG_NODE}": (200, {})}) as url:
        (finding,) = found(url).values()
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("not installed: a restart of ComfyUI, a dead worker")
    assert "only the runtime budget" in finding.detail
    assert "reconciler install-node" in finding.advice


def test_a_pack_from_before_the_snapshot() -> None:
    with serving(NODE_INFO) as url:
        (finding,) = found(url).values()
    assert (finding.level, "older than 0.2.0" in finding.detail) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("version", "words", "advice"),
    [
        ("0.1.9", "older than this reconciler", "update the node pack"),
        ("0.10.0", "newer than this reconciler", "update the reconciler"),
        ("dev", "this reconciler is version", "update the node pack"),
        (None, "version unknown", "update the node pack"),
    ],
)
def test_a_pack_of_another_version(version: str | None, words: str, advice: str) -> None:
    finding = found_with(pack=version)["node pack"]
    assert finding.level is Level.WARNING
    assert words in finding.detail
    assert finding.advice.startswith(advice)


@pytest.mark.parametrize(
    ("spoken", "words"),
    [(SNAPSHOT_FORMAT + 1, "newer"), (SNAPSHOT_FORMAT - 1, "older"), (10**300, "newer")],
)
def test_a_pack_of_another_format(spoken: int, words: str) -> None:
    (finding,) = found_with(format=spoken).values()
    assert finding.level is Level.WARNING
    assert f"{words} than this reconciler" in finding.detail
    assert len(finding.detail) < 300


@pytest.mark.parametrize("answer", [[], {}, {"format": "1"}, {"format": None}])
def test_something_else_in_its_place(answer: object) -> None:
    with serving({SNAPSHOT_PATH: (200, answer)}) as url:
        (finding,) = found(url).values()
    assert "something answers in its place" in finding.detail


@pytest.mark.parametrize(
    "answer", [(500, "boom"), (200, "<html>"), (200, snapshot(running=None)), (503, {"error": "x"})]
)
def test_a_pack_that_fails(answer: tuple[int, Any]) -> None:
    with serving({SNAPSHOT_PATH: answer}) as url:
        (finding,) = found(url).values()
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("it fails: ")
    assert "without the pack" in finding.advice


def test_nobody_answers() -> None:
    (finding,) = found(f"http://127.0.0.1:{free_port()}").values()
    assert finding.detail.startswith("not known: ")


@pytest.mark.parametrize(
    ("alive", "level", "words"),
    [(False, Level.FAILED, "is dead"), (None, Level.WARNING, "not seen the thread")],
)
def test_how_its_worker_is(alive: bool | None, level: Level, words: str) -> None:
    finding = found_with(worker_alive=alive)["worker"]
    assert (finding.level, words in finding.detail) == (level, True)
    assert finding.advice


def test_several_servers_behind_one_address() -> None:
    one, other = (
        {SNAPSHOT_PATH: (200, snapshot(boot_id=boot_id))} for boot_id in ("boot-a", "boot-b")
    )
    with serving(one, other) as url:
        finding = found(url)["address"]
    assert finding.level is Level.FAILED
    assert "2 ComfyUI processes answer in turn" in finding.detail
    assert "an entry of its own" in finding.advice
