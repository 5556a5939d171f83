"""Start, progress and end of every prompt, to everybody who listens."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .contract import EVENT_END, EVENT_PROGRESS, EVENT_START, PROGRESS_PER_S
from .guard import guarded
from .ledger import Ledger, Running

#: Starts and ends that wait to be sent: beyond it the oldest is dropped, for they are hints.
_MAX_WAITING = 4096
_NEVER = float("inf")


class Broadcaster:
    """Sends in a thread of its own: whoever tells it something never waits."""

    def __init__(self, send: Callable[[str, dict[str, Any]], None], ledger: Ledger) -> None:
        self._send = send
        self._ledger = ledger
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=_MAX_WAITING)
        #: Prompts whose progress is not yet sent.
        self._news: dict[str, Running] = {}
        #: By prompt: when progress may be sent next, if not now, by the monotonic clock.
        self._free_at: dict[str, float] = {}
        #: When the thread looks next by itself; 0 while it is awake.
        self._wakes_at = _NEVER
        self._busy = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, running: Running) -> None:
        """A prompt has started, which is news enough: its progress may follow a while later."""
        with self._changed:
            self._free_at[running.prompt_id] = time.monotonic() + 1 / PROGRESS_PER_S
        data = {"prompt_id": running.prompt_id, "job_id": running.job_id, "at": running.since}
        self._tell((EVENT_START, data))

    def end(self, prompt_id: str, job_id: str | None, kind: str | None, at: float) -> None:
        """A prompt ended, or was removed."""
        data = {"prompt_id": prompt_id, "job_id": job_id, "kind": kind, "at": at}
        with self._changed:
            running = self._news.pop(prompt_id, None)
            self._free_at.pop(prompt_id, None)
        last = [] if running is None else [self._progress(running)]
        self._tell(*last, (EVENT_END, data))

    def progress(self, running: Running) -> None:
        """A prompt's node or step changed."""
        with self._changed:
            if running.prompt_id in self._news:
                return
            self._news[running.prompt_id] = running
            if self._free_at.get(running.prompt_id, 0.0) < self._wakes_at:
                self._wake()

    def wait_idle(self, timeout_s: float) -> bool:
        """Whether all was sent within `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._waiting or self._news or self._busy), timeout_s
            )

    def close(self, timeout_s: float = 10.0) -> None:
        """Stops the thread; what waits is not sent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _tell(self, *messages: tuple[str, dict[str, Any]]) -> None:
        with self._changed:
            self._waiting.extend(messages)
            self._wake()

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            thread = threading.Thread(target=self._run, name="reconciler-broadcast", daemon=True)
            thread.start()  # the system may have none left, for now
            self._thread = thread
        self._changed.notify_all()

    def _progress(self, running: Running) -> tuple[str, dict[str, Any]]:
        return EVENT_PROGRESS, {
            "prompt_id": running.prompt_id,
            **self._ledger.progress(running),
        }

    def _run(self) -> None:
        while messages := self._next():
            for name, data in messages:
                guarded("an event could not be sent", self._send, name, data)

    def _next(self) -> list[tuple[str, dict[str, Any]]]:
        """Waits for what is to be sent now; nothing when it is time to stop."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            while not self._closed:
                now = time.monotonic()
                messages = self._due(now)
                if messages:
                    self._busy = True
                    return messages
                self._wakes_at = self._next_progress()
                wait_s = None if self._wakes_at == _NEVER else self._wakes_at - now
                self._changed.wait(wait_s)
                self._wakes_at = 0.0
            return []

    def _next_progress(self) -> float:
        """When to look again: also for prompts without news, which then need wake nobody."""
        return min(self._free_at.values(), default=_NEVER)

    def _due(self, now: float) -> list[tuple[str, dict[str, Any]]]:
        messages = list(self._waiting)
        self._waiting.clear()
        # Not only at a prompt's end, which nobody may tell: then they would pile up.
        self._free_at = {one: at for one, at in self._free_at.items() if at > now}
        for prompt_id, running in list(self._news.items()):
            if prompt_id not in self._free_at:
                self._free_at[prompt_id] = now + 1 / PROGRESS_PER_S
                del self._news[prompt_id]
                messages.append(self._progress(running))
        return messages
