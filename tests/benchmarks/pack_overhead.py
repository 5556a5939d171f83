"""`python -m tests.benchmarks.pack_overhead URL_WITHOUT URL_WITH [--prompts 200] [--watch]`

What the node pack adds to a prompt: tiny image prompts, one at a time, in turns on two ComfyUIs of
the same version, of which only the second has the pack. Anything that goes wrong ends it.

- *wall*: from POST /prompt to the event that ComfyUI sends when it has put the prompt away, so
  every hook is in it, and HTTP and the websocket too.
- *stamps*: execution_start to execution_success by ComfyUI's own clock, in whole milliseconds:
  without what happens before and after.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket

from comfy_node.contract import SNAPSHOT_PATH

#: Until a prompt that should take milliseconds counts as lost, in seconds.
TIMEOUT_S = 60.0
#: A folder of its own for each run: SaveImage reads all of its folder to find the next number.
RUN = uuid.uuid4().hex


@dataclass
class Server:
    """One ComfyUI, with a client of our own, and what was measured there in milliseconds."""

    url: str
    has_pack: bool
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    wall_ms: list[float] = field(default_factory=list)
    stamps_ms: list[float] = field(default_factory=list)

    def version(self) -> str:
        """ComfyUI's version; ends the run where the pack is there or not, against our word."""
        status = requests.get(self.url + SNAPSHOT_PATH, timeout=TIMEOUT_S).status_code
        if (status == 200) is not self.has_pack:
            wanted = "with" if self.has_pack else "without"
            raise SystemExit(f"{self.url} is not a ComfyUI {wanted} the pack: answered {status}")
        stats = requests.get(self.url + "/system_stats", timeout=TIMEOUT_S).json()
        return str(stats["system"]["comfyui_version"])

    @contextlib.contextmanager
    def connected(self, client_id: str) -> Iterator[websocket.WebSocket]:
        """A websocket of that client."""
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client_id}"
        socket = websocket.create_connection(address, timeout=TIMEOUT_S)
        try:
            yield socket
        finally:
            socket.close()

    def run(self, socket: websocket.WebSocket, color: int, keep: bool) -> None:
        """One prompt from submission to end; measured if `keep`."""
        body = {"prompt": graph(color), "client_id": self.client_id}
        begun = time.perf_counter()
        answer = requests.post(self.url + "/prompt", json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        prompt_id = answer.json()["prompt_id"]
        wait_for_end(socket, prompt_id)
        wall_ms = (time.perf_counter() - begun) * 1000
        history = requests.get(f"{self.url}/history/{prompt_id}", timeout=TIMEOUT_S).json()
        if keep:
            self.wall_ms.append(wall_ms)
            self.stamps_ms.append(executed_ms(history[prompt_id]))


def graph(color: int) -> dict[str, Any]:
    """One image of one color: another color, and nothing is answered from the cache."""
    size = {"width": 64, "height": 64, "batch_size": 1}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**size, "color": color}},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": f"overhead/{RUN}/tiny"},
        },
    }


def wait_for_end(socket: websocket.WebSocket, prompt_id: str) -> None:
    """Until ComfyUI tells the client that nothing of this prompt executes any more."""
    while True:
        message = socket.recv()
        if isinstance(message, str):
            told = json.loads(message)
            data = told.get("data") or {}
            mine = told["type"] == "executing" and data.get("prompt_id") == prompt_id
            if mine and data.get("node") is None:
                return


def executed_ms(entry: dict[str, Any]) -> float:
    """From execution_start to execution_success."""
    stamps = {name: data["timestamp"] for name, data in entry["status"]["messages"]}
    return float(stamps["execution_success"] - stamps["execution_start"])


def measure(without: Server, with_pack: Server, prompts: int, watch: bool) -> None:
    """In turns, and each time in the other order; the first tenth warms up."""
    warm_up = max(prompts // 10, 3)
    with contextlib.ExitStack() as sockets:
        pairs = [
            (server, sockets.enter_context(server.connected(server.client_id)))
            for server in (without, with_pack)
        ]
        if watch:
            for server, _ in pairs:
                sockets.enter_context(server.connected(str(uuid.uuid4())))
        for n in range(warm_up + prompts):
            for server, socket in pairs if n % 2 else reversed(pairs):
                server.run(socket, color=n, keep=n >= warm_up)


def line(name: str, without: list[float], with_pack: list[float]) -> str:
    """Both, and the difference; its error is the standard error of the paired difference."""
    pairs = [b - a for a, b in zip(without, with_pack, strict=True)]
    error = statistics.stdev(pairs) / len(pairs) ** 0.5
    cells = [name]
    for of in (statistics.median, statistics.mean):
        before, after = of(without), of(with_pack)
        added = after - before
        cells.append(f"{before:.2f} -> {after:.2f} ms ({added:+.2f} ms, {added / before:+.1%})")
    return " | ".join([*cells, f"+- {error:.2f} ms", f"{statistics.median(pairs):+.2f} ms"])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("without", help="URL of a ComfyUI without the pack")
    parser.add_argument("with_pack", help="URL of one of the same version with it")
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--watch", action="store_true", help="somebody else's websocket on each")
    options = parser.parse_args()
    without = Server(options.without.rstrip("/"), has_pack=False)
    with_pack = Server(options.with_pack.rstrip("/"), has_pack=True)
    versions = {without.version(), with_pack.version()}
    if len(versions) != 1:
        raise SystemExit(f"these are different versions: {', '.join(sorted(versions))}")
    measure(without, with_pack, options.prompts, options.watch)
    print(f"ComfyUI {versions.pop()}, {options.prompts} prompts on each, in turns")
    print("| median: without -> with | mean: without -> with | its error | median of the pairs")
    print(line("wall", without.wall_ms, with_pack.wall_ms))
    print(line("stamps", without.stamps_ms, with_pack.stamps_ms))


if __name__ == "__main__":
    main()
