"""A hard limit on the time that an exchange over a socket may take.

A socket's own time-out starts anew with every byte, so a peer that drips one byte a second holds
a reader for hours. Here another thread cuts the line when the time is over.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Deadline:
    """`with Deadline(10, cut)`: calls `cut` after 10 s unless the block has ended by then."""

    def __init__(self, seconds: float, cut: Callable[[], None]) -> None:
        self.passed = False
        self._over = False
        self._cut = cut
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True

    def _ring(self) -> None:
        # Under the lock: a late ring must not cut the exchange that follows on the same line.
        with self._lock:
            if not self._over:
                self.passed = True
                self._cut()


def hang_up(line: socket.socket | None) -> None:
    """End a connection at once; whoever waits for its bytes in another thread wakes up."""
    if line is not None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
