"""Clients, a worker and a reader at once: no prompt is lost, doubled or nowhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from comfy_node.contract import MAX_ENDED
from comfy_node.pack import Pack
from comfy_node.snapshot import take
from tests.waiting import PATIENCE_S, wait_for

from .conftest import FakePromptServer, read_manifest, settle

CLIENTS, EACH = 4, 50
ALL = {f"p{client}-{n}" for client in range(CLIENTS) for n in range(EACH)}
assert len(ALL) <= MAX_ENDED


class Scene:
    """Threads that do it all on one server, and what the reader saw."""

    def __init__(self, server: FakePromptServer, pack: Pack) -> None:
        self.server, self.pack = server, pack
        #: Prompts whose submission has returned.
        self.put: list[str] = []
        self.nowhere: set[str] = set()
        self.over = threading.Event()

    def client(self, client: int) -> None:
        for n in range(EACH):
            prompt_id = self.server.submit(f"p{client}-{n}", job_id=n)
            self.put.append(prompt_id)
            if n % 3 == 0:
                queue = self.server.prompt_queue
                queue.delete_queue_item(lambda item, mine=prompt_id: item[1] == mine)

    def wiper(self) -> None:
        while not self.over.wait(0.002):
            self.server.prompt_queue.wipe_queue()

    def worker(self) -> None:
        while not self.over.is_set():
            taken = self.server.prompt_queue.get(timeout=0.001)
            if taken is not None:
                prompt_id = taken[0][1]
                self.server.states(prompt_id, n1=("running", 3, 20))
                self.server.put_away(taken[1])

    def reader(self) -> None:
        while not self.over.is_set():
            put = list(self.put)
            told = take(self.pack, {})
            listed = [*told["running"], *told["pending"], *told["ended"]]
            self.nowhere |= set(put) - {one["prompt_id"] for one in listed}

    def play(self) -> None:
        clients = [threading.Thread(target=self.client, args=(n,)) for n in range(CLIENTS)]
        rest: list[Callable[[], None]] = [self.wiper, self.worker, self.reader]
        others = [threading.Thread(target=one) for one in rest]
        for thread in (*clients, *others):
            thread.start()
        try:
            for thread in clients:
                thread.join(PATIENCE_S)
            wait_for(lambda: self.pack.ledger.view().cursor >= len(ALL), "every prompt's end")
        finally:
            self.over.set()
            for thread in others:
                thread.join(PATIENCE_S)


def test_every_prompt_ends_once_and_is_somewhere_until_then(
    server: FakePromptServer, pack: Pack, output: Path
) -> None:
    scene = Scene(server, pack)

    scene.play()
    settle(pack)

    view = pack.ledger.view()
    assert sorted(end.prompt_id for end in view.ended) == sorted(ALL)
    assert scene.nowhere == set()
    kinds = {end.prompt_id: end.kind for end in view.ended}
    assert set(server.prompt_queue.history) == {
        prompt_id for prompt_id, kind in kinds.items() if kind == "success"
    }
    told = [data for name, data in server.own_events() if name == "end"]
    assert {data["prompt_id"]: data["kind"] for data in told} == kinds
    assert len(told) == len(ALL)
    for prompt_id, kind in kinds.items():
        assert read_manifest(output, prompt_id)["kind"] == kind
