"""A stand-in for the part of ComfyUI that the pack touches."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from comfy_node import guard
from comfy_node.contract import manifest_name
from comfy_node.hooks import install
from comfy_node.pack import Pack
from reconciler.simulator.queue import (
    ExecutionStatus,
    OldPromptQueue,
    PromptQueue,
    remove_sensitive,
)
from tests.waiting import PATIENCE_S, wait_for

Handler = Callable[[Any], Any]
GRAPH = {
    "1": {"class_type": "KSampler", "inputs": {}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}


class FakeRoutes(list[Any]):
    """ComfyUI's table of routes: a list of definitions with a decorator for each method."""

    def get(self, path: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.append(SimpleNamespace(method="GET", path=path, handler=handler))
            return handler

        return register


class FakePromptServer:
    """PromptServer.instance, with the simulator's queue of either version."""

    def __init__(self, queue: type[PromptQueue] | type[OldPromptQueue] = PromptQueue) -> None:
        self.on_prompt_handlers: list[Handler] = []
        self.sent: list[tuple[Any, Any, Any]] = []
        self.routes = FakeRoutes()
        self.prompt_queue: Any = queue(lambda: self.send_sync("status", {}))

    @property
    def handlers(self) -> list[Handler]:
        return self.on_prompt_handlers

    def add_on_prompt_handler(self, handler: Handler) -> None:
        self.on_prompt_handlers.append(handler)

    def send_sync(self, event: Any, data: Any, sid: str | None = None) -> None:
        self.sent.append((event, data, sid))

    def post(self, body: Any) -> Any:
        """The body as the handlers leave it, as POST /prompt does."""
        for handler in self.on_prompt_handlers:
            body = handler(body)
        return body

    def submit(self, prompt_id: str = "p1", number: float = 0, **extra_data: Any) -> str:
        """A valid prompt, by way of POST /prompt."""
        body = {"prompt": GRAPH, "prompt_id": prompt_id, "extra_data": extra_data}
        body = self.post(body)
        item = (number, prompt_id, body["prompt"], body["extra_data"], ["2"])
        self.prompt_queue.put((*item, {}) if type(self.prompt_queue) is PromptQueue else item)
        return prompt_id

    def take(self) -> tuple[Any, int]:
        """The next prompt, as the worker's thread takes it."""
        taken = self.prompt_queue.get(timeout=0)
        assert taken is not None
        return taken[0], taken[1]

    def put_away(
        self, item_id: int, outputs: Any = None, word: str = "success", *messages: Any
    ) -> None:
        """The end of a prompt, as each version's worker tells it."""
        told = list(messages)
        status = ExecutionStatus(word, word == "success", told)
        result = {"outputs": {} if outputs is None else outputs, "meta": {}}
        queue = self.prompt_queue
        if type(queue) is PromptQueue:
            queue.task_done(item_id, result, status=status, process_item=remove_sensitive)
        else:
            queue.task_done(item_id, result, status=status)

    def run(self, prompt_id: str = "p1", outputs: Any = None, **extra_data: Any) -> str:
        """A prompt from submission to success."""
        self.submit(prompt_id, **extra_data)
        _, item_id = self.take()
        self.put_away(item_id, outputs)
        return prompt_id

    def states(self, prompt_id: str, **states: tuple[str, float, float]) -> None:
        """The event progress_state: by node (`n1`) its state, value and maximum."""
        nodes = {
            name[1:]: {"state": word, "value": value, "max": maximum, "node_id": name[1:]}
            for name, (word, value, maximum) in states.items()
        }
        self.send_sync("progress_state", {"prompt_id": prompt_id, "nodes": nodes}, "client")

    def own_events(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and data of what the pack sent, all of it to everybody."""
        mine = [told for told in list(self.sent) if str(told[0]).startswith("reconciler.")]
        assert all(sid is None for _, _, sid in mine)
        return [(name.removeprefix("reconciler."), data) for name, data, _ in mine]


@pytest.fixture(params=[OldPromptQueue, PromptQueue], ids=["0.3.64", "0.33.0"])
def server(request: pytest.FixtureRequest) -> FakePromptServer:
    """A PromptServer of each version, without the pack."""
    return FakePromptServer(request.param)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """ComfyUI's output directory."""
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def pack(server: FakePromptServer, output: Path) -> Iterator[Pack]:
    """The pack on `server`, closed at the end."""
    pack = installed(server, output)
    yield pack
    pack.close()


def installed(server: Any, output: Path) -> Pack:
    """The pack on a server that has none."""
    pack = install(server, lambda: str(output))
    assert pack is not None
    return pack


def settle(pack: Pack) -> None:
    """Until every file is written and every event sent."""
    assert pack.wait_idle(PATIENCE_S)


def read_manifest(output: Path, prompt_id: str = "p1") -> dict[str, Any]:
    """A manifest that is in place, as its readers find it."""
    path = output / ".reconciler" / manifest_name(prompt_id)
    told = json.loads(wait_for(lambda: path.exists() and path.read_bytes(), f"{path} is there"))
    assert isinstance(told, dict)
    return told


def listed(*names: str, kind: str = "images") -> dict[str, Any]:
    """What history lists for node 2."""
    files = [{"filename": name, "subfolder": "", "type": "output"} for name in names]
    return {"2": {kind: files}}


@pytest.fixture
def comfyui(monkeypatch: pytest.MonkeyPatch) -> FakePromptServer:
    """The module `server` as ComfyUI has loaded it by the time its custom nodes come."""
    instance = FakePromptServer()
    pretend_server(monkeypatch, instance)
    return instance


def pretend_server(monkeypatch: pytest.MonkeyPatch, instance: object) -> None:
    """Puts a module `server` with this PromptServer.instance where an import would find it."""
    module = ModuleType("server")
    module.PromptServer = SimpleNamespace(instance=instance)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "server", module)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged once per process is logged once per test."""
    monkeypatch.setattr(guard, "_told", set())


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """The pack's threads end with it. Those of others, such as a simulator that serves the whole
    session, are theirs."""
    before = pack_threads()
    yield
    assert pack_threads() - before == set()


def pack_threads() -> set[threading.Thread]:
    """The threads of every pack in this process."""
    return {one for one in threading.enumerate() if one.name.startswith("reconciler-")}
