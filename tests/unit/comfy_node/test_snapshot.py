"""GET /reconciler/snapshot, as its reader in the reconciler sees it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from comfy_node.contract import MAX_ENDED, PACK_VERSION, SNAPSHOT_PATH
from comfy_node.pack import Pack
from comfy_node.shapes import workflow_shape
from comfy_node.snapshot import Unsure, take
from reconciler.comfyui.snapshot import Snapshot, snapshot_of

from .conftest import FakePromptServer, installed, settle


def read(pack: Pack, **query: str) -> Snapshot:
    """What the reconciler makes of the answer's bytes."""
    snapshot = snapshot_of(json.loads(json.dumps(take(pack, query), allow_nan=False)))
    assert snapshot is not None
    return snapshot


def test_running_pending_and_ended_are_told(server: FakePromptServer, pack: Pack) -> None:
    server.run("done", job_id=1)
    for n, prompt_id in enumerate(("now", "last", "first")):
        server.submit(prompt_id, number=10.5 - n, job_id=n, client_id="lab")
    server.submit("front", number=-1)
    server.take()
    server.states("front", n1=("running", 3, 20))

    told = take(pack, {})

    assert (told["format"], told["pack"], told["boot_id"]) == (1, PACK_VERSION, pack.boot_id)
    assert told["worker_alive"] is True
    assert [one["prompt_id"] for one in told["pending"]] == ["first", "last", "now"]
    created_at = told["pending"][0].pop("created_at")
    assert told["pending"][0] == {
        "prompt_id": "first",
        "number": 8.5,
        "job_id": "2",
        "job_id_from": "client",
        "client_id": "lab",
        "output_nodes": 1,
        "graph_nodes": 2,
        "workflow": workflow_shape(server.prompt_queue.queue[0][2]),
    }
    (running,) = told["running"]
    assert (running["prompt_id"], running["node_type"]) == ("front", "KSampler")
    assert (running["value"], running["max"], running["nodes_done"]) == (3, 20, 0)
    assert created_at <= running["since"] <= running["sign_at"] <= told["now"]
    assert [(one["prompt_id"], one["kind"]) for one in told["ended"]] == [("done", "success")]
    assert (told["cursor"], told["complete"]) == (1, True)


def test_the_reconciler_reads_it(server: FakePromptServer, pack: Pack) -> None:
    server.run("done", job_id=1)
    server.submit("now", job_id=2)
    server.submit("next", 1)
    server.take()

    look = read(pack).look

    assert [one.prompt_id for one in (*look.running, *look.pending)] == ["now", "next"]
    assert [(note.prompt_id, note.kind.value) for note in look.ended] == [("done", "success")]
    assert look.complete
    assert look.states["now"].age_s is not None


def test_only_ends_after_the_cursor_of_this_life_are_told(
    server: FakePromptServer, pack: Pack
) -> None:
    for n in range(5):
        server.run(f"p{n}")
    boot = pack.boot_id

    def ends(**query: str) -> list[int]:
        told = take(pack, query)
        assert (told["cursor"], told["complete"]) == (5, True)
        return [one["seq"] for one in told["ended"]]

    assert ends(boot=boot, since="3") == [4, 5]
    assert ends(boot=boot, since="5") == []
    assert ends(boot="another life", since="3") == [1, 2, 3, 4, 5]
    assert ends(since="3") == [1, 2, 3, 4, 5]
    for nonsense in ("6", "-1", "x", "", "٣", "3.0", "9" * 5000, " 3"):
        assert ends(boot=boot, since=nonsense) == [1, 2, 3, 4, 5]


def test_forgotten_ends_make_it_incomplete(server: FakePromptServer, pack: Pack) -> None:
    for n in range(MAX_ENDED + 10):
        pack.ledger.end(f"p{n}", None, "success", 1.0)

    assert not take(pack, {})["complete"]
    assert take(pack, {"boot": pack.boot_id, "since": "10"})["complete"]
    assert not take(pack, {"boot": pack.boot_id, "since": "9"})["complete"]


def test_an_end_of_unknown_kind_sends_the_reader_to_history(
    server: FakePromptServer, pack: Pack
) -> None:
    server.submit()
    _, item_id = server.take()
    server.prompt_queue.task_done(item_id, {}, None)

    assert take(pack, {})["ended"][0]["kind"] is None
    assert not read(pack).look.complete


def test_a_prompt_is_in_it_at_every_instant_of_its_end(
    server: FakePromptServer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    write = pack.folder.write

    def looking(*args: Any) -> Any:
        seen.append(take(pack, {}))
        return write(*args)

    monkeypatch.setattr(pack.folder, "write", looking)
    server.run(job_id=42)

    (told,) = seen
    assert server.prompt_queue.currently_running == {}
    assert [one["prompt_id"] for one in told["running"]] == ["p1"]
    assert told["ended"] == []
    assert take(pack, {})["running"] == []


def test_a_follow_up_names_the_first_prompt(server: FakePromptServer, pack: Pack) -> None:
    server.submit("first", job_id=42)
    item, _ = server.take()
    server.prompt_queue.put((-1, "second", item[2], item[3], item[4], {}))

    (pending,) = read(pack).look.pending

    assert (pending.first_prompt_id, pending.job_id) == ("first", "42")
    server.prompt_queue.wipe_queue()
    (ended,) = take(pack, {})["ended"]
    assert (ended["prompt_id"], ended["first_prompt_id"]) == ("second", "first")


def test_a_tag_node_s_job_id_is_told_as_such_and_not_among_the_ends(
    server: FakePromptServer, pack: Pack
) -> None:
    node = {"class_type": "ReconcilerTagOutput", "inputs": {"job_id": "7"}}
    body = server.post({"prompt": {"1": node}, "prompt_id": "p1"})
    server.prompt_queue.put((0, "p1", body["prompt"], body["extra_data"], ["1"], {}))

    (pending,) = take(pack, {})["pending"]
    _, item_id = server.take()
    server.put_away(item_id)

    assert (pending["job_id"], pending["job_id_from"]) == ("7", "node")
    assert take(pack, {})["ended"][0]["job_id"] is None


def test_hostile_numbers_and_clients_are_left_out(server: FakePromptServer, pack: Pack) -> None:
    for n, number in enumerate((float("nan"), float("inf"), 1)):
        server.submit(f"p{n}", number, client_id={"a": 1}, job_id=["x"], create_time="now")

    look = read(pack).look

    assert sorted(one.prompt_id for one in look.pending) == ["p0", "p1", "p2"]
    assert {one.client_id for one in look.pending} == {None}
    assert {one.job_id for one in look.pending} == {None}


def test_another_queue_in_place_of_the_watched_one_is_not_vouched_for(
    server: FakePromptServer, pack: Pack
) -> None:
    server.prompt_queue = FakePromptServer().prompt_queue

    with pytest.raises(Unsure):
        take(pack, {})


def test_without_the_hook_on_the_end_it_is_never_complete(output: Path) -> None:
    server = FakePromptServer()
    pack = installed(server, output)
    pack.hooks.discard("task_done")

    assert not take(pack, {})["complete"]
    pack.close()


class Request:
    """What the route needs of aiohttp's."""

    def __init__(self, **query: str) -> None:
        self.query = query


def ask(server: FakePromptServer, **query: str) -> tuple[int, Any]:
    (route,) = (route for route in server.routes if route.path == SNAPSHOT_PATH)
    answer = asyncio.run(route.handler(Request(**query)))
    assert answer.content_type == "application/json"
    return answer.status, json.loads(answer.text)


def test_the_route_answers(
    server: FakePromptServer,
    pack: Pack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server.run()
    settle(pack)

    status, told = ask(server)
    assert (status, told["cursor"]) == (200, 1)
    assert ask(server, boot=pack.boot_id, since="1")[1]["ended"] == []
    server.prompt_queue.queue.append("no item")
    for _ in range(2):
        assert ask(server)[0] == 500
    assert len([record for record in caplog.records if record.exc_info]) == 1
    pack.close()
    assert ask(server)[0] == 503
