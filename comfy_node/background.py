"""Work that nobody waits for, one piece after the other, in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .guard import guarded


class Background:
    """A daemon thread that starts with its first task and runs tasks in their order."""

    def __init__(self, name: str, limit: int) -> None:
        """At most `limit` tasks wait; `name` is the thread's."""
        self._name = name
        self._limit = limit
        self._tasks: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        #: Set when the thread is to stop: a long task looks at it now and then.
        self.closing = threading.Event()

    def submit(self, task: Callable[[], None]) -> bool:
        """Has the thread run `task` some time. False where too much waits already, or there is no
        thread."""
        with self._changed:
            if self.closing.is_set() or len(self._tasks) >= self._limit:
                return False
            if not self._has_thread():
                return False
            self._tasks.append(task)
            self._changed.notify_all()
            return True

    def is_empty(self) -> bool:
        """Whether no task waits."""
        return not self._tasks

    def wait_idle(self, timeout_s: float) -> bool:
        """Whether all that was submitted was done within `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._tasks or self._busy), timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Drops what waits and stops the thread, after the task at hand."""
        with self._changed:
            self.closing.set()
            self._tasks.clear()
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    def _has_thread(self) -> bool:
        """Starts it, unless it runs. False where the system has none left for now."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._tasks or self.closing.is_set())
                if self.closing.is_set():
                    return
                task = self._tasks.popleft()
                self._busy = True
            guarded(f"a task of {self._name} failed", task)
