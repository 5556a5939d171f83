"""Answers that cost much and may be a little old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

#: An answer is kept for so many times as long as it took: no more than a twentieth of the time.
_TIMES = 20.0


class Remembered(Generic[T]):
    """One answer, shared by all who ask. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: tuple[T, float] | None = None

    def get(self, ask: Callable[[], T]) -> T:
        """The answer, asked for anew when the last one is too old. Raises what `ask` does."""
        with self._lock:
            began = self._clock()
            if self._answer is not None and began < self._answer[1]:
                return self._answer[0]
            found = ask()
            ended = self._clock()
            self._answer = (found, ended + _TIMES * (ended - began))
            return found
