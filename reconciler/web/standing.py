"""Answers that stand for a while, the longer the more they cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

#: An answer stands for so many times the time that asking took: what costs nothing is always new.
STANDS_TIMES = 20.0

Answer = TypeVar("Answer")


class Standing(Generic[Answer]):
    """One answer, for all who ask at about the same time. Thread-safe."""

    def __init__(self, stands_s: float = 0.0) -> None:
        """`stands_s`: it stands for so long in any case, in seconds."""
        self._stands_s = stands_s
        self._lock = threading.Lock()
        self._stands_until_s = 0.0
        self._answers: list[Answer] = []

    def get(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` says, or said not long ago. Raises what it raises."""
        with self._lock:
            began_s = time.monotonic()
            if not self._answers or began_s >= self._stands_until_s:
                self._answers = [ask()]
                ended_s = time.monotonic()
                stands_s = max(self._stands_s, STANDS_TIMES * (ended_s - began_s))
                self._stands_until_s = ended_s + stands_s
            return self._answers[0]
