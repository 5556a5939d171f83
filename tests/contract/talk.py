"""Talking to a ComfyUI, simulated or real: HTTP, websocket, and waiting with a deadline."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
import websocket

from comfy_node.contract import EVENT_PREFIX, NOTES, TAG_PROMPT_ID

T = TypeVar("T")
Event = tuple[str, dict[str, Any]]
Graph = dict[str, dict[str, Any]]

#: How long anything may take before a test gives up.
DEADLINE_S = 60.0


def wait_until(look: Callable[[], T], what: str, timeout_s: float = DEADLINE_S) -> T:
    """Look again and again until the answer is true, and return it."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        pause.wait(0.005)
    return found


class Listener:
    """A websocket client that keeps every message in order."""

    def __init__(self, url: str, client_id: str | None) -> None:
        query = "" if client_id is None else f"?clientId={client_id}"
        address = f"{url.replace('http', 'ws', 1)}/ws{query}"
        self._socket = websocket.create_connection(address, timeout=DEADLINE_S)
        self.client_id = client_id
        #: What ComfyUI tells; the node pack's events are kept apart.
        self.events: list[Event] = []
        self.pack_events: list[Event] = []
        self.previews: list[bytes] = []
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        self.wait_for("status")

    @property
    def ended(self) -> bool:
        """True once the connection is over."""
        return not self._thread.is_alive()

    def names(self, prompt_id: str | None = None) -> list[str]:
        """Names of the events in order; only those about a prompt, if one is named."""
        about = list(self.events)
        return [n for n, data in about if prompt_id in (None, data.get("prompt_id"))]

    def wait_for(self, name: str, **fields: Any) -> Event:
        """Wait for an event of that name whose data has these values; returns the first."""
        wanted = fields.items()

        def look() -> Event | None:
            events = self.events + self.pack_events
            found = (e for e in events if e[0] == name and wanted <= e[1].items())
            return next(found, None)

        event = wait_until(look, f"the event {name} {fields}")
        assert event is not None
        return event

    def wait_for_end(self, prompt_id: str) -> None:
        """Wait for the last event of a prompt of this client."""
        self.wait_for("executing", node=None, prompt_id=prompt_id)

    def send(self, message: dict[str, Any]) -> None:
        """Say something to the server."""
        self._socket.send(json.dumps(message))

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.close(timeout=1)
        self._thread.join(DEADLINE_S)
        self._socket.shutdown()  # type: ignore[no-untyped-call]

    def _listen(self) -> None:
        with contextlib.suppress(websocket.WebSocketException, OSError):
            while True:
                message = self._socket.recv()
                if not message:
                    return
                if isinstance(message, bytes):
                    self.previews.append(message)
                    continue
                event = json.loads(message)
                of_pack = event["type"].startswith(EVENT_PREFIX)
                kept = self.pack_events if of_pack else self.events
                kept.append((event["type"], event["data"]))


@dataclass(frozen=True)
class Server:
    """A ComfyUI somewhere."""

    url: str
    version: str
    #: Classes of nodes that it knows.
    nodes: frozenset[str]
    #: Where its files appear, if that can be read.
    output_dir: Path | None = None
    #: The node pack is inside.
    has_pack: bool = False

    @property
    def has_jobs_api(self) -> bool:
        """True for versions from 2026 on."""
        return tuple(map(int, self.version.split("."))) >= (0, 20, 0)

    @property
    def puts_moov_in_front(self) -> bool:
        """True for versions whose SaveVideo asks for `faststart`: 0.33.0 does, 0.3.64 does not."""
        return self.has_jobs_api

    @property
    def audio_name_end(self) -> str:
        """What stands behind the number in the names of SaveAudio: nothing in 0.33.0."""
        return "" if self.has_jobs_api else "_"

    def get(self, path: str, **params: Any) -> requests.Response:
        """GET, whatever the answer."""
        return requests.get(self.url + path, params=params, timeout=DEADLINE_S)

    def post(self, path: str, body: Any = None) -> requests.Response:
        """POST JSON, whatever the answer."""
        return requests.post(self.url + path, json=body, timeout=DEADLINE_S)

    def json(self, path: str, **params: Any) -> Any:
        """GET an answer that must be 200."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def submit(self, graph: Graph, **body: Any) -> str:
        """POST /prompt; returns the id."""
        answer = self.post("/prompt", {"prompt": graph, **body})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def saved_under(self, prefix: str) -> list[dict[str, Any]]:
        """The history entries of all prompts with a saver of that prefix."""
        entries: list[dict[str, Any]] = list(self.json("/history").values())
        return [
            entry
            for entry in entries
            for node in entry["prompt"][2].values()
            if node["inputs"].get("filename_prefix") == prefix
        ]

    def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The entry of a prompt; None if there is none."""
        found: dict[str, Any] | None = self.json(f"/history/{prompt_id}").get(prompt_id)
        return found

    def finish(self, graph: Graph, **body: Any) -> dict[str, Any]:
        """Submit, wait, and return the history entry."""
        return self.wait_for_end(self.submit(graph, **body))

    def wait_for_end(self, prompt_id: str) -> dict[str, Any]:
        """Wait for the history entry of a prompt."""
        entry = wait_until(lambda: self.history(prompt_id), f"the end of {prompt_id}")
        assert entry is not None
        return entry

    def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """Running and pending items."""
        queue = self.json("/queue")
        return queue["queue_running"], queue["queue_pending"]

    def wait_until_running(self, prompt_id: str) -> None:
        """Wait until a prompt runs."""
        wait_until(
            lambda: [item for item in self.queue()[0] if item[1] == prompt_id],
            f"{prompt_id} to run",
        )

    def quieten(self) -> None:
        """Clear the queue, interrupt what runs, wait until nothing is left."""
        self.post("/queue", {"clear": True})
        if self.queue()[0]:
            self.post("/interrupt")
        wait_until(lambda: self.queue() == ([], []), "an idle server")

    @contextlib.contextmanager
    def listen(self, client_id: str | None = None) -> Iterator[Listener]:
        """A connected websocket client with that id, or with one of its own."""
        listener = Listener(self.url, client_id or f"test-{uuid.uuid4().hex}")
        try:
            yield listener
        finally:
            listener.close()


def as_sent(extra_data: dict[str, Any]) -> dict[str, Any]:
    """`extra_data` as the client sent it, without what the node pack adds."""
    sent = {key: value for key, value in extra_data.items() if key != NOTES}
    pnginfo = dict(sent.pop("extra_pnginfo", {}))
    pnginfo.pop(TAG_PROMPT_ID, None)
    return sent | {"extra_pnginfo": pnginfo} if pnginfo else sent


def fresh_prefix(kind: str) -> str:
    """A filename prefix that nobody has used."""
    return f"contract/{kind}-{uuid.uuid4().hex[:8]}"


def images_graph(prefix: str, batch: int = 2, color: int | None = None) -> Graph:
    """Core nodes of any ComfyUI: a batch of pictures, saved."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": _empty(batch, 64, color)},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def video_graph(prefix: str, frames: int = 8, size: int = 64) -> Graph:
    """Core nodes of any ComfyUI: pictures, a video, saved as mp4."""
    saver = {"video": ["2", 0], "filename_prefix": prefix, "format": "auto", "codec": "auto"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": _empty(frames, size, None)},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 24.0}},
        "3": {"class_type": "SaveVideo", "inputs": saver},
    }


def audio_graph(prefix: str, seconds: float = 0.5) -> Graph:
    """Core nodes of any ComfyUI: silence, saved as flac."""
    silence = {"duration": seconds, "sample_rate": 44100, "channels": 2}
    return {
        "1": {"class_type": "EmptyAudio", "inputs": silence},
        "2": {"class_type": "SaveAudio", "inputs": {"audio": ["1", 0], "filename_prefix": prefix}},
    }


def follow_up_graph(prefix: str, follow_ups: int) -> Graph:
    """One picture; and a node of the lab that queues so many prompts more, one after the other."""
    graph = images_graph(prefix, batch=1)
    more = {"images": ["1", 0], "follow_ups": follow_ups}
    graph["5"] = {"class_type": "QueueFollowUp", "inputs": more}
    graph["2"]["inputs"]["images"] = ["5", 0]
    return graph


def batch_graph(prefix: str, video: str, frames_per_batch: int) -> Graph:
    """VHS's batch manager: a video loaded and written again, so many frames a prompt."""
    batch = {"meta_batch": ["1", 0]}
    zero = ("force_rate", "custom_width", "custom_height", "frame_load_cap", "skip_first_frames")
    load = {"video": video, "select_every_nth": 1, **dict.fromkeys(zero, 0), **batch}
    saver = {"images": ["2", 0], "frame_rate": 8, "loop_count": 0, "filename_prefix": prefix}
    saver |= {"format": "video/h264-mp4", "pingpong": False, "save_output": True, **batch}
    saver |= {"pix_fmt": "yuv420p", "crf": 19, "save_metadata": True, "trim_to_audio": False}
    return {
        "1": {"class_type": "VHS_BatchManager", "inputs": {"frames_per_batch": frames_per_batch}},
        "2": {"class_type": "VHS_LoadVideoPath", "inputs": load},
        "3": {"class_type": "VHS_VideoCombine", "inputs": saver},
    }


def long_graph(server: Server) -> Graph:
    """Seconds of work that hears an interrupt.

    Without the nodes of the lab: a chain of savers, between which ComfyUI looks for interrupts.
    """
    prefix = fresh_prefix("long")
    if "SlowNoise" in server.nodes:
        noise = {"frames": 200, "width": 64, "height": 64, "step_seconds": 0.1, "fail_at": -1}
        return {
            "1": {"class_type": "SlowNoise", "inputs": noise | {"seed": _fresh_number()}},
            "2": {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": prefix},
            },
        }
    graph = video_graph(prefix, frames=120, size=512)
    saver = graph.pop("3")
    for number in range(3, 15):
        inputs = saver["inputs"] | {"filename_prefix": f"{prefix}-{number}"}
        graph[str(number)] = saver | {"inputs": inputs}
    return graph


def failing_graph() -> Graph:
    """A saver that is told to leave the output directory raises in any ComfyUI."""
    return images_graph("../../outside/of-it")


def _empty(batch: int, size: int, color: int | None) -> dict[str, int]:
    color = _fresh_number() if color is None else color
    return {"width": size, "height": size, "batch_size": batch, "color": color}


def _fresh_number() -> int:
    """So that no cache knows the graph."""
    return random.randrange(0xFFFFFF)
