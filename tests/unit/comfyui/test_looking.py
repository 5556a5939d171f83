"""Looks with the node pack: what is asked, what is remembered, and what is done without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses

from comfy_node.contract import SNAPSHOT_FORMAT
from reconciler.comfyui import client as client_module
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.errors import ServerAnswer, ServerRefused, ServerTimeout
from tests.unit.comfyui.recorded import NEW, OLD, recorded
from tests.unit.comfyui.snapshots import BUSY, end, snapshot
from tests.unit.comfyui.test_client import A_RUNS, JOBS, QUEUE, SNAPSHOT, URL, listing


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    """A server whose queue is A_RUNS; it has the pack as soon as a test says so."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(SNAPSHOT, status=404, body="404: Not Found")
        mock.get(JOBS, json=listing((1, "a", "in_progress")))
        mock.get(QUEUE, json=A_RUNS)
        yield mock


@pytest.fixture
def client() -> Iterator[ComfyClient]:
    opened = ComfyClient(ServerAddress("main", URL))
    yield opened
    opened.close()


def tell(server: responses.RequestsMock, **answer: Any) -> None:
    server.upsert(responses.GET, SNAPSHOT, **answer)


def asked(server: responses.RequestsMock) -> list[str]:
    """Every path, that of a snapshot with its query; and forgets them."""
    urls = [str(call.request.url).removeprefix(URL) for call in server.calls]
    server.calls.reset()
    return [url.partition("?status=")[0] for url in urls]


def test_with_the_pack_one_question_tells_all(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=BUSY)
    look = client.look()
    assert [prompt.prompt_id for prompt in look] == ["p1", "p3", "p2"]
    assert look.boot_id == "boot-a"
    assert asked(server) == ["/reconciler/snapshot"]


def test_each_look_asks_for_what_ended_since_the_last(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=snapshot(cursor=7))
    client.look()
    client.look()
    assert asked(server)[1] == "/reconciler/snapshot?boot=boot-a&since=7"
    tell(server, json=snapshot(boot_id="boot-b", cursor=2))
    client.look()
    asked(server)
    client.look()
    assert asked(server) == ["/reconciler/snapshot?boot=boot-b&since=2"]


def test_an_interrupt_takes_no_news_away(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=snapshot(cursor=3))
    client.look()
    tell(server, json=snapshot(cursor=4, ended=[end(4, "x")]))
    client.interrupt("gone")
    asked(server)
    client.look()
    assert asked(server) == ["/reconciler/snapshot?boot=boot-a&since=3"]


def test_an_answer_that_never_came_is_asked_for_again(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=snapshot(cursor=3))
    client.look()
    tell(server, body=TimeoutError("slow"))
    with pytest.raises(ServerTimeout):
        client.look()
    tell(server, json=snapshot(cursor=4))
    asked(server)
    client.look()
    assert asked(server) == ["/reconciler/snapshot?boot=boot-a&since=3"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404},
        {"json": []},
        {"json": {"queue_running": []}},
        {"json": snapshot(format=SNAPSHOT_FORMAT + 1)},
    ],
)
def test_without_the_pack_it_is_asked_for_once(
    server: responses.RequestsMock, client: ComfyClient, answer: dict[str, Any]
) -> None:
    tell(server, **answer)
    look = client.look()
    assert [prompt.prompt_id for prompt in look] == ["a"]
    assert (look.boot_id, look.complete, look.worker_alive) == (None, None, None)
    client.look()
    assert asked(server) == ["/reconciler/snapshot", "/api/jobs", "/queue", "/api/jobs"]


def test_a_pack_that_was_installed_is_found_after_a_restart(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    client.look()
    server.upsert(responses.GET, JOBS, body=ConnectionRefusedError(111, "Connection refused"))
    with pytest.raises(ServerRefused):
        client.look()
    tell(server, json=BUSY)
    assert client.look().boot_id == "boot-a"


def test_a_pack_that_was_installed_is_found_with_another_version(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    stats = server.get(f"{URL}/system_stats", json=recorded(OLD, "system_stats"))
    client.info()
    client.look()
    server.remove(stats)
    server.get(f"{URL}/system_stats", json=recorded(NEW, "system_stats"))
    tell(server, json=BUSY)
    client.info()
    assert client.look().boot_id == "boot-a"


def test_a_pack_that_was_removed_is_done_without(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=snapshot(cursor=3))
    assert client.look().boot_id == "boot-a"
    tell(server, status=404)
    assert [prompt.prompt_id for prompt in client.look()] == ["a"]
    client.reconnected()
    tell(server, json=snapshot(cursor=4))
    asked(server)
    client.look()
    assert asked(server) == ["/reconciler/snapshot?boot=boot-a&since=3"], "nothing is missed"


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500, "json": {"error": "the snapshot failed"}},
        {"status": 503, "json": {"error": "not sure"}},
        {"status": 403, "body": "who are you"},
        {"body": "<!DOCTYPE html>"},
        {"body": b"[" * 100_000},
        {"json": snapshot(running=None)},
        {"json": snapshot(pending=[{"number": 1}])},
    ],
)
def test_a_pack_that_fails_is_done_without_for_a_while(
    server: responses.RequestsMock,
    client: ComfyClient,
    monkeypatch: pytest.MonkeyPatch,
    trouble: dict[str, Any],
) -> None:
    now = 1000.0
    monkeypatch.setattr(client_module.time, "monotonic", lambda: now)
    tell(server, **trouble)
    assert [prompt.prompt_id for prompt in client.look()] == ["a"]
    client.look()
    assert asked(server) == ["/reconciler/snapshot", "/api/jobs", "/queue", "/api/jobs"]
    now += 301.0
    tell(server, json=BUSY)
    assert client.look().boot_id == "boot-a"


def test_where_nothing_can_be_read_there_is_no_answer(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=snapshot(running=7))
    server.upsert(responses.GET, JOBS, status=404)
    server.upsert(responses.GET, QUEUE, json=[])
    with pytest.raises(ServerAnswer, match="queue_running"):
        client.look()


def test_prompts_known_from_a_snapshot_need_no_whole_queue(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    known = {"prompt_id": "a", "number": 1, "job_id": "41", "created_at": 1.0}
    tell(server, json=snapshot(running=[known]))
    client.look()
    tell(server, status=404)
    asked(server)
    (prompt,) = client.look()
    assert prompt.job_id == "41"
    assert asked(server)[1:] == ["/api/jobs"]


def test_a_new_connection_is_made_on_demand(
    server: responses.RequestsMock, client: ComfyClient
) -> None:
    tell(server, json=BUSY)
    client.look()
    client.connect_anew()
    assert client.look().boot_id == "boot-a"
