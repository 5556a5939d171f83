"""What is known of the prompts of one ComfyUI, for as long as its process lives."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from .contract import MAX_ENDED, expected_frames
from .shown import Shown, shown_by

#: Prompts whose submission is remembered.
MAX_SUBMITTED = 20_000

#: Follow-ups of one prompt that are remembered.
MAX_FOLLOWERS = 1000
#: Steps beyond this are nonsense, as are NaN and infinity, which JSON does not know.
_LARGEST = 1e15

#: What the thread that runs this code is running: `here.running`, a `Running`.
_here = threading.local()


@dataclass(eq=False)
class Running:
    """A prompt that left the queue and has not ended. Guarded by the ledger's lock."""

    prompt_id: str
    job_id: str | None
    graph: dict[str, Any]
    #: Seconds since the epoch, as all times that are shown.
    since: float
    sign_at: float
    node_id: str | None = None
    value: float | None = None
    maximum: float | None = None
    #: Nodes that are done, those answered from the cache included.
    done: set[str] = field(default_factory=set)
    #: By node, of the monotonic clock.
    begun: dict[str, float] = field(default_factory=dict)
    #: By node: how long it ran.
    seconds: dict[str, float] = field(default_factory=dict)
    #: Whether ComfyUI tells every node's state; then its older events say nothing more.
    has_states: bool = False
    #: Numbers of frames that Expect Frames nodes promised when they ran.
    promised: set[int] = field(default_factory=set)
    #: Prompts that its nodes queued.
    followed_by: list[str] = field(default_factory=list)
    #: What it showed last.
    shown: Shown | None = None
    #: Out of ComfyUI's own list of running prompts, its manifest not yet in place.
    ending: bool = False

    def expected_frames(self) -> int | None:
        """The one number that is promised, by nodes that ran or by literals in the graph."""
        literal = expected_frames(self.graph)
        numbers = self.promised if literal is None else self.promised | {literal}
        return next(iter(numbers)) if len(numbers) == 1 else None

    def node_type(self, node_id: str | None) -> str | None:
        """`class_type` of a node of the graph."""
        node = self.graph.get(node_id) if node_id is not None else None
        kind = node.get("class_type") if isinstance(node, dict) else None
        return kind if isinstance(kind, str) else None

    def progress(self) -> dict[str, Any]:
        """Node and step, as the snapshot and the broadcast tell them."""
        return {
            "node_id": self.node_id,
            "node_type": self.node_type(self.node_id),
            "value": self.value,
            "max": self.maximum,
            "nodes_done": len(self.done),
        }


@dataclass(frozen=True)
class Ended:
    """One end. `kind` is None where ComfyUI does not say how."""

    seq: int
    prompt_id: str
    job_id: str | None
    kind: str | None
    at: float
    #: The prompt whose node queued this one.
    first_prompt_id: str | None = None


@dataclass(frozen=True)
class View:
    """What the ledger knew at one instant: `running` by prompt id, as the snapshot tells it."""

    running: dict[str, dict[str, Any]]
    #: Of these: no longer in ComfyUI's own list.
    ending: list[Running]
    ended: list[Ended]
    cursor: int
    worker_alive: bool | None


class Ledger:
    """Notes of one ComfyUI process; any thread may ask and tell."""

    def __init__(self) -> None:
        # A finalizer or a signal may tell an event in the midst of another, in the same thread.
        self._lock = threading.RLock()
        self._running: dict[str, Running] = {}
        self._ended: deque[Ended] = deque(maxlen=MAX_ENDED)
        self._seq = 0
        self._workers: list[threading.Thread] = []
        self._submitted: OrderedDict[str, float] = OrderedDict()

    def submit(self, prompt_id: str, after: str | None = None) -> None:
        """A prompt is put into the queue; `after` is the prompt whose node does that."""
        with self._lock:
            before = self._running.get(after) if after is not None else None
            if before is not None and len(before.followed_by) < MAX_FOLLOWERS:
                before.followed_by.append(prompt_id)
            self._submitted[prompt_id] = time.time()
            self._submitted.move_to_end(prompt_id)
            while len(self._submitted) > MAX_SUBMITTED:
                self._submitted.popitem(last=False)

    def submitted_at(self, prompt_id: str) -> float | None:
        """When the prompt was put into the queue; None for one that is unknown or long ago."""
        with self._lock:
            return self._submitted.get(prompt_id)

    def worker_asks(self) -> None:
        """This thread asks for the next prompt: it is a worker, and runs nothing."""
        thread = threading.current_thread()
        last: Running | None = getattr(_here, "running", None)
        _here.running = None
        with self._lock:
            if thread not in self._workers:
                self._workers = [one for one in self._workers if one.is_alive()] + [thread]
            if last is not None and self._running.get(last.prompt_id) is last:
                del self._running[last.prompt_id]

    def start(self, prompt_id: str, job_id: str | None, graph: object) -> Running:
        """This thread runs a prompt from now on."""
        now = time.time()
        nodes = graph if isinstance(graph, dict) else {}
        running = Running(prompt_id, job_id, nodes, since=now, sign_at=now)
        with self._lock:
            self._running[prompt_id] = running
        _here.running = running
        return running

    def find(self, prompt_id: object) -> Running | None:
        """The running prompt of this id."""
        with self._lock:
            return self._running.get(prompt_id) if isinstance(prompt_id, str) else None

    def end(
        self,
        prompt_id: str,
        job_id: str | None,
        kind: str | None,
        at: float,
        first_prompt_id: str | None = None,
    ) -> Ended:
        """A prompt ended, or was removed from the queue."""
        with self._lock:
            self._seq += 1
            ended = Ended(self._seq, prompt_id, job_id, kind, at, first_prompt_id)
            self._ended.append(ended)
            if kind != "removed":
                self._running.pop(prompt_id, None)
            return ended

    def lose(self) -> None:
        """Something ended and nobody can say what: the list of ends has a gap."""
        with self._lock:
            self._seq += 1

    def forget(self, running: Running) -> None:
        """The prompt runs no more, however it ended."""
        with self._lock:
            if self._running.get(running.prompt_id) is running:
                del self._running[running.prompt_id]

    def close_nodes(self, running: Running) -> dict[str, float]:
        """Seconds by node; a node that is still running ran until now."""
        clock = time.monotonic()
        with self._lock:
            for node_id, begun in running.begun.items():
                running.seconds.setdefault(node_id, clock - begun)
            return dict(running.seconds)

    def view(self) -> View:
        """All of it, at one instant."""
        with self._lock:
            running = {
                one.prompt_id: {"since": one.since, "sign_at": one.sign_at, **one.progress()}
                for one in self._running.values()
            }
            ending = [one for one in self._running.values() if one.ending]
            alive = any(one.is_alive() for one in self._workers) if self._workers else None
            return View(running, ending, list(self._ended), self._seq, alive)

    def progress(self, running: Running) -> dict[str, Any]:
        """Node and step of a running prompt, now."""
        with self._lock:
            return {**running.progress(), "at": running.sign_at}

    def hear(self, event: object, data: object) -> Running | None:
        """An event that ComfyUI sends. Returns the prompt whose progress it changed."""
        if not isinstance(event, str):
            # Previews and texts carry no prompt's id; a node sent them from the worker's thread.
            running = getattr(_here, "running", None)
            if running is not None:
                running.sign_at = time.time()
            self._note_shown(event, data, running)
            return None
        if event not in ("progress_state", "progress", "executing") or not isinstance(data, dict):
            return None
        running = self.find(data.get("prompt_id"))
        if running is None:
            return None
        with self._lock:
            running.sign_at = time.time()
            return running if _note(running, event, data) else None

    def _note_shown(self, event: object, data: object, here: Running | None) -> None:
        """Keeps the newest picture of a prompt that runs."""
        told = shown_by(event, data)
        if told is not None:
            prompt_id, shown = told
            running = here if prompt_id is None else self.find(prompt_id)
            if running is not None:
                running.shown = shown


def _note(running: Running, event: str, data: dict[str, Any]) -> bool:
    """Whether it said something that was not known from another event."""
    if event == "progress_state":
        running.has_states = True
        return _note_states(running, data.get("nodes"))
    if running.has_states:
        return False
    node_id = data.get("node")
    if isinstance(node_id, str) and node_id != running.node_id:
        _begin(running, node_id)
    if event == "progress":
        running.value, running.maximum = _number(data.get("value")), _number(data.get("max"))
    return node_id is not None or event == "progress"


def _begin(running: Running, node_id: str) -> None:
    """The node before is done: older ComfyUIs run one after the other and tell only starts."""
    clock = time.monotonic()
    for before, begun in running.begun.items():
        running.seconds[before] = clock - begun
        running.done.add(before)
    running.begun.clear()
    running.node_id, running.value, running.maximum = node_id, None, None
    if node_id in running.graph:
        running.begun[node_id] = clock


def _note_states(running: Running, nodes: object) -> bool:
    """Every node's state, in the order in which they started; finished ones come again each time.

    Nodes that another node put in for itself are told as that node.
    """
    if not isinstance(nodes, dict):
        return False
    clock, graph, done = time.monotonic(), running.graph, running.done
    current: tuple[str, dict[str, Any]] | None = None
    for node_id, state in nodes.items():
        if node_id in done or not isinstance(state, dict):
            continue
        if node_id not in graph:
            real = state.get("real_node_id")
            if state.get("state") == "running" and real in graph:
                current = (real, state)
        elif state.get("state") == "running":
            running.begun.setdefault(node_id, clock)
            current = (node_id, state)
        elif state.get("state") in ("finished", "error"):
            done.add(node_id)
            begun = running.begun.pop(node_id, None)
            if begun is not None:
                running.seconds[node_id] = clock - begun
    if current is not None:
        running.node_id, state = current
        running.value, running.maximum = _number(state.get("value")), _number(state.get("max"))
    elif running.node_id in done:
        running.value = running.maximum
    return True


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return value if -_LARGEST < value < _LARGEST else None


def expect_frames(frames: int) -> None:
    """Notes how many frames the prompt promises that this thread is running.

    Does nothing outside a prompt, or for what is no number of frames. Never raises.
    """
    running = getattr(_here, "running", None)
    if isinstance(frames, int) and not isinstance(frames, bool) and frames > 0 and running:
        running.promised.add(frames)
