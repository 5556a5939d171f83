"""Signs of life heard between two looks: progress from the websocket, growth of files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: Prompts remembered at most; the quietest go first.
MAX_PROMPTS = 10_000


@dataclass(slots=True)
class Heard:
    """What was heard of one prompt. Times are seconds of the monotonic clock."""

    last_sign_at: float
    nodes_done: set[str] = field(default_factory=set)
    node_id: str | None = None
    value: float = 0.0
    maximum: float = 0.0


class LiveSigns:
    """Collects signs of life from any thread. They are hints: nothing is lost if one is."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._prompts: dict[str, Heard] = {}
        self._growth: dict[str, float] = {}

    def node(self, prompt_id: str, node_id: str | None) -> None:
        """A node began; None: the prompt has no further node to run."""
        with self._lock:
            heard = self._touch(prompt_id)
            if heard.node_id is not None and heard.node_id != node_id:
                heard.nodes_done.add(heard.node_id)
            if heard.node_id != node_id:
                heard.node_id, heard.value, heard.maximum = node_id, 0.0, 0.0

    def progress(self, prompt_id: str, node_id: str | None, value: float, maximum: float) -> None:
        """A node told how far it is: `value` of `maximum` steps."""
        if node_id is not None:
            self.node(prompt_id, node_id)
        with self._lock:
            heard = self._touch(prompt_id)
            heard.value, heard.maximum = value, maximum

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
            return Heard(
                heard.last_sign_at,
                set(heard.nodes_done),
                heard.node_id,
                heard.value,
                heard.maximum,
            )

    def growth_of(self, server: str) -> float | None:
        """When a file of this server grew last."""
        with self._lock:
            return self._growth.get(server)

    def forget(self, prompt_id: str) -> None:
        """The prompt ended."""
        with self._lock:
            self._prompts.pop(prompt_id, None)

    def _touch(self, prompt_id: str) -> Heard:
        heard = self._prompts.pop(prompt_id, None) or Heard(0.0)
        heard.last_sign_at = self._monotonic()
        self._prompts[prompt_id] = heard
        if len(self._prompts) > MAX_PROMPTS:
            self._prompts.pop(next(iter(self._prompts)))
        return heard
