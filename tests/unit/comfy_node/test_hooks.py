"""The pack on a PromptServer: what each hook does, and that none does harm."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from comfy_node.hooks import install, register
from comfy_node.ledger import expect_frames
from comfy_node.pack import Pack
from tests.waiting import wait_for

from .conftest import (
    GRAPH,
    FakePromptServer,
    installed,
    listed,
    pretend_server,
    read_manifest,
    settle,
)


def test_a_prompt_s_life_is_told_from_start_to_end(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    (output / "a.png").write_bytes(b"pixels")
    server.submit(job_id=42)
    _, item_id = server.take()
    expect_frames(72)
    server.states("p1", n1=("running", 3, 20))
    server.states("p1", n1=("finished", 20, 20), n2=("running", 0, 1))
    server.put_away(item_id, listed("a.png"))
    settle(pack)

    told = read_manifest(output)
    assert told["created_at"] <= told["started_at"] <= told["ended_at"]
    assert (told["kind"], told["job_id"], told["job_id_from"]) == ("success", "42", "client")
    assert [one["size_bytes"] for one in told["outputs"]] == [6]
    assert {node: run["type"] for node, run in told["nodes"].items()} == {
        "1": "KSampler",
        "2": "SaveImage",
    }
    assert told["expected_frames"] == 72
    names = [name for name, _ in server.own_events()]
    assert (names[0], names[-2:]) == ("start", ["progress", "end"])
    assert server.own_events()[-2][1]["nodes_done"] == 1
    assert server.own_events()[-1][1] == {
        "prompt_id": "p1",
        "job_id": "42",
        "kind": "success",
        "at": told["ended_at"],
    }


def test_the_manifest_is_in_place_before_task_done_returns(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    server.run()

    assert [path.name for path in (output / ".reconciler").glob("[!.]*")] == ["p1.json"]
    assert list(server.prompt_queue.history) == ["p1"]


def test_deleting_and_wiping_tell_each_removed_prompt_once(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    for n in range(5):
        server.submit(f"p{n}", n, job_id=n)
    queue = server.prompt_queue

    assert queue.delete_queue_item(lambda item: item[1] == "p3")
    assert not queue.delete_queue_item(lambda item: item[1] == "p3")
    queue.wipe_queue()
    server.submit("last")
    assert queue.delete_queue_item(lambda item: item[1] == "last")
    settle(pack)

    ended = [data for name, data in server.own_events() if name == "end"]
    assert sorted(data["prompt_id"] for data in ended) == ["last", "p0", "p1", "p2", "p3", "p4"]
    assert {data["kind"] for data in ended} == {"removed"}
    assert pack.ledger.view().ended[0].prompt_id == "p3"
    told = read_manifest(output, "p3")
    assert (told["kind"], told["job_id"], told["started_at"]) == ("removed", "3", None)
    assert told["created_at"] <= told["ended_at"]


def test_a_removal_that_fails_is_comfyui_s_own_and_tells_what_went(
    server: FakePromptServer, pack: Pack
) -> None:
    server.submit()

    with pytest.raises(ZeroDivisionError):
        server.prompt_queue.delete_queue_item(lambda item: 1 / 0)
    server.prompt_queue.wipe_queue()

    assert [end.prompt_id for end in pack.ledger.view().ended] == ["p1"]


def test_a_batch_manager_s_follow_ups_are_tagged_and_linked(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    server.submit("first", job_id=42)
    _, item_id = server.take()
    (running,) = server.prompt_queue.currently_running.values()
    server.prompt_queue.put((-1, "second", running[2], running[3], running[4], {}))
    server.put_away(item_id)
    item, item_id = server.take()
    server.put_away(item_id)

    assert item[3]["extra_pnginfo"] == {"job_id": "42", "prompt_id": "second"}
    assert running[3]["extra_pnginfo"]["prompt_id"] == "first"
    assert read_manifest(output, "first")["followed_by"] == ["second"]
    second = read_manifest(output, "second")
    assert (second["first_prompt_id"], second["job_id"]) == ("first", "42")


def test_a_dead_worker_is_seen_as_such(server: FakePromptServer, pack: Pack) -> None:
    server.submit()
    assert pack.ledger.view().worker_alive is None

    worker = threading.Thread(target=server.take)
    worker.start()
    worker.join()

    assert pack.ledger.view().worker_alive is False
    assert list(pack.ledger.view().running) == ["p1"]


def test_a_worker_that_lives_is_seen_while_it_waits(server: FakePromptServer, pack: Pack) -> None:
    worker = threading.Thread(target=server.prompt_queue.get)
    worker.start()
    wait_for(lambda: pack.ledger.view().worker_alive, "the worker is seen")
    server.submit()
    worker.join()


def test_a_prompt_that_another_pack_cut_short_runs_no_more_when_the_worker_asks_again(
    server: FakePromptServer, pack: Pack
) -> None:
    server.submit("p1")
    server.submit("p2", 1)
    server.take()
    server.take()

    assert list(pack.ledger.view().running) == ["p2"]


def test_get_that_brings_nothing_is_no_start(server: FakePromptServer, pack: Pack) -> None:
    assert server.prompt_queue.get(timeout=0) is None
    assert pack.ledger.view().running == {}


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (None, None),
        ({}, None),
        ({"outputs": None}, SimpleNamespace(status_str="success", messages=None)),
        ({"outputs": {"1": {"images": [None, {}, {"filename": 3}, {"filename": "\0"}]}}}, None),
        ({"outputs": [1]}, {"status_str": "error", "messages": [None, ("execution_error", None)]}),
        ({}, SimpleNamespace(status_str=["success"], messages=3)),
    ],
)
def test_no_result_of_a_prompt_does_harm(
    result: Any, status: Any, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakePromptServer()
    done: list[Any] = []
    server.prompt_queue.task_done = lambda *args, **kwargs: done.append((args, kwargs))
    pack = installed(server, output)
    server.submit()
    _, item_id = server.take()

    server.prompt_queue.task_done(item_id, result, status=status)
    settle(pack)

    assert done == [((item_id, result), {"status": status})]
    assert [end.prompt_id for end in pack.ledger.view().ended] == ["p1"]
    assert pack.ledger.view().running == {}
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    pack.close()


@pytest.mark.parametrize(
    "item", [(1,), (1, 2, 3, 4, 5), [], "", (0, "x", None, None, None), (0, "x", {}, [], 7)]
)
def test_an_item_of_a_strange_shape_passes_through_every_hook(
    item: Any, server: FakePromptServer, pack: Pack
) -> None:
    queue = server.prompt_queue

    queue.put(item)
    taken, item_id = queue.get(timeout=0)
    assert taken is item
    queue.put(item)
    queue.wipe_queue()

    assert queue.queue == []
    assert queue.currently_running[item_id] == item


def test_task_done_for_an_unknown_item_raises_as_it_would_without_the_pack(
    server: FakePromptServer, pack: Pack
) -> None:
    with pytest.raises(KeyError):
        server.put_away(99)
    assert pack.ledger.view().ended == []


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (1, b"preview"),
        (["x"], None),
        (None, None),
        ("progress_state", None),
        ("progress_state", {"prompt_id": "p1", "nodes": [1]}),
        ("progress_state", {"prompt_id": "p1", "nodes": {"1": 3, 2: {}, "x": {"state": {}}}}),
        ("progress_state", {"prompt_id": ["p1"], "nodes": {}}),
        ("progress", {"prompt_id": "p1", "node": 5, "value": "x", "max": float("nan")}),
        ("executing", {"prompt_id": "p1", "node": None}),
    ],
)
def test_no_event_does_harm(
    event: Any, data: Any, server: FakePromptServer, pack: Pack, caplog: pytest.LogCaptureFixture
) -> None:
    server.submit()
    server.take()

    server.send_sync(event, data, "client")
    server.send_sync(event=event, data=data, sid=None)

    mine = {"reconciler.start", "reconciler.progress"}
    sent = [one for one in server.sent if not (isinstance(one[0], str) and one[0] in mine)]
    assert str(sent[-2:]) == str([(event, data, "client"), (event, data, None)])
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_fault_of_our_own_is_logged_once_and_costs_nothing_else(
    server: FakePromptServer,
    pack: Pack,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*args: Any) -> None:
        raise LookupError("broken on purpose")

    for name in ("submitted", "started", "heard", "ending"):
        monkeypatch.setattr(pack, name, broken)
    monkeypatch.setattr(pack.ledger, "worker_asks", broken)

    for n in range(3):
        server.run(f"p{n}")
        server.submit("gone")
        server.prompt_queue.wipe_queue()

    assert list(server.prompt_queue.history) == ["p0", "p1", "p2"]
    faults = [record.getMessage() for record in caplog.records if record.exc_info]
    assert len(faults) == len(set(faults)) == 5
    view = pack.ledger.view()
    assert (view.cursor, len(view.ended)) == (6, 3), "three ends of which nobody can tell"


def test_two_servers_in_one_process_know_nothing_of_each_other(tmp_path: Path) -> None:
    servers = [FakePromptServer(), FakePromptServer()]
    outputs = [tmp_path / "a", tmp_path / "b"]
    packs = []
    for server, output in zip(servers, outputs, strict=True):
        output.mkdir()
        packs.append(installed(server, output))
    servers[0].run("one")
    servers[1].run("two")
    for pack in packs:
        settle(pack)
        pack.close()

    assert packs[0].boot_id != packs[1].boot_id
    assert [len(pack.ledger.view().ended) for pack in packs] == [1, 1]
    assert [
        sorted(path.name for path in output.glob(".reconciler/*.json")) for output in outputs
    ] == [["one.json"], ["two.json"]]


def test_closed_it_is_as_if_it_had_never_been_there(server: FakePromptServer, output: Path) -> None:
    before = dict(vars(server.prompt_queue))
    pack = installed(server, output)
    pack.close()
    after = dict(vars(server.prompt_queue))

    server.run()

    assert after == before
    assert server.handlers == []
    assert list(output.iterdir()) == []
    assert server.own_events() == []
    again = installed(server, output)
    again.close()


def test_a_second_copy_of_the_pack_steps_aside_with_one_line(
    server: FakePromptServer, pack: Pack, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert install(server, lambda: str(output)) is None

    (line,) = caplog.messages
    assert "installed twice" in line
    assert (len(server.handlers), len(server.routes)) == (1, 2)


def test_what_an_older_comfyui_lacks_is_named_in_one_line_and_the_rest_works(
    output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = FakePromptServer()
    queue = server.prompt_queue
    server.prompt_queue = SimpleNamespace(put=queue.put, get=queue.get, task_done=queue.task_done)
    server.prompt_queue.currently_running = queue.currently_running
    del server.routes
    pack = installed(server, output)

    (line,) = caplog.messages
    assert "0.2.0 loaded" in line
    for lack in ("deleted prompts", "wiped prompts", "no snapshot"):
        assert lack in line
    server.prompt_queue.put((0, "p1", GRAPH, {}, ["2"]))
    _, item_id = server.prompt_queue.get()
    server.prompt_queue.task_done(item_id, {}, None)
    assert [end.prompt_id for end in pack.ledger.view().ended] == ["p1"]
    pack.close()


def test_a_route_of_the_same_path_is_not_doubled_for_that_would_stop_comfyui(
    server: FakePromptServer, output: Path
) -> None:
    server.routes.get("/reconciler/snapshot")(print)
    pack = installed(server, output)

    paths = [route.path for route in server.routes]
    assert paths == ["/reconciler/snapshot", "/reconciler/preview"]
    assert "routes" not in pack.hooks
    assert "task_done" in pack.hooks
    pack.close()


def test_register_finds_comfyui_by_its_modules(
    comfyui: FakePromptServer, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_paths = ModuleType("folder_paths")
    folder_paths.get_output_directory = lambda: str(output)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "folder_paths", folder_paths)

    assert register()
    assert not register()
    comfyui.prompt_queue.put((0, "p1", GRAPH, {}, ["2"], {}))
    ((_, _, _, extra_data, _, _),) = comfyui.prompt_queue.queue
    assert extra_data == {"extra_pnginfo": {"prompt_id": "p1"}}
    assert len(comfyui.handlers) == 1


def test_nothing_is_installed_where_no_comfyui_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server", raising=False)
    assert not register()
    pretend_server(monkeypatch, None)
    assert not register()
