"""Signs of life: progress from the websocket and the pack's snapshot, growth of files.

A prompt is often heard of twice, as its submitter and by the pack's broadcast, which is late by a
moment. What is old news is a sign of life and no step back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.comfyui.values import RunningState

#: Prompts remembered at most; the quietest go first.
MAX_PROMPTS = 10_000


@dataclass(slots=True)
class Heard:
    """What was heard of one prompt. Times are seconds of the monotonic clock."""

    last_sign_at: float
    #: Nodes that were heard to begin and to be left.
    left: set[str] = field(default_factory=set)
    #: The most nodes that the pack called done: it counts cached ones, which nobody hears of.
    told_done: int = 0
    node_id: str | None = None
    #: Its `class_type`, where somebody told it.
    node_type: str | None = None
    value: float = 0.0
    maximum: float = 0.0
    #: When the current node began.
    node_at: float = 0.0
    #: Type and seconds of each node that was left, in that order.
    ran: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def nodes_done(self) -> int:
        """How many nodes are done, the current one not counted."""
        return max(len(self.left), self.told_done)

    def move_to(self, node_id: str | None, node_type: str | None = None, at: float = 0.0) -> bool:
        """A node runs. False where that is old news: it has been left before."""
        if node_id is not None and node_id in self.left:
            return False
        if self.node_id != node_id:
            if self.node_id is not None:
                self.left.add(self.node_id)
                self.ran[self.node_id] = (self.node_type or "", max(at - self.node_at, 0.0))
            self.node_at = at
            self.node_id, self.node_type, self.value, self.maximum = node_id, None, 0.0, 0.0
        self.node_type = node_type or self.node_type
        return True

    def step(self, value: float, maximum: float) -> None:
        """The current node counts its steps. Fewer of as many are old news."""
        if maximum != self.maximum or value > self.value:
            self.value, self.maximum = value, maximum


class LiveSigns:
    """Collects signs of life from any thread. They are hints: nothing is lost if one is."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._prompts: dict[str, Heard] = {}
        self._growth: dict[str, float] = {}

    def node(
        self,
        prompt_id: str,
        node_id: str | None,
        nodes_done: int | None = None,
        *,
        node_type: str | None = None,
    ) -> None:
        """A node began; None: the prompt has no further node to run."""
        with self._lock:
            now = self._monotonic()
            heard = self._touch(prompt_id, now)
            if heard.move_to(node_id, node_type, now):
                heard.told_done = max(heard.told_done, nodes_done or 0)

    def progress(
        self,
        prompt_id: str,
        node_id: str | None,
        value: float,
        maximum: float,
        nodes_done: int | None = None,
        *,
        node_type: str | None = None,
    ) -> None:
        """A node told how far it is: `value` of `maximum` steps."""
        with self._lock:
            now = self._monotonic()
            heard = self._touch(prompt_id, now)
            if node_id is None or heard.move_to(node_id, node_type, now):
                heard.step(value, maximum)
                heard.told_done = max(heard.told_done, nodes_done or 0)

    def shown(self, prompt_id: str, state: RunningState) -> None:
        """A snapshot, which has just arrived, shows how far a prompt is."""
        if state.sign_age_s is None:
            return
        with self._lock:
            sign_at = self._monotonic() - state.sign_age_s
            heard = self._touch(prompt_id, sign_at)
            node = state.node_id
            on = node is not None and heard.move_to(node, state.node_type, sign_at)
            if on and state.value is not None and state.maximum is not None:
                heard.step(state.value, state.maximum)
            heard.told_done = max(heard.told_done, state.nodes_done or 0)

    def growth(self, server: str) -> None:
        """A file in the server's output directory appeared or grew."""
        with self._lock:
            self._growth[server] = self._monotonic()

    def of(self, prompt_id: str) -> Heard | None:
        """What was heard of a prompt, as a copy."""
        with self._lock:
            heard = self._prompts.get(prompt_id)
            if heard is None:
                return None
            return replace(heard, left=set(heard.left), ran=dict(heard.ran))

    def growth_of(self, server: str) -> float | None:
        """When a file of this server grew last."""
        with self._lock:
            return self._growth.get(server)

    def now(self) -> float:
        """Seconds of the clock by which it is heard."""
        return self._monotonic()

    def forget(self, prompt_id: str) -> None:
        """The prompt ended."""
        with self._lock:
            self._prompts.pop(prompt_id, None)

    def _touch(self, prompt_id: str, sign_at: float) -> Heard:
        heard = self._prompts.pop(prompt_id, None) or Heard(sign_at)
        heard.last_sign_at = max(heard.last_sign_at, sign_at)
        self._prompts[prompt_id] = heard
        if len(self._prompts) > MAX_PROMPTS:
            self._prompts.pop(next(iter(self._prompts)))
        return heard
