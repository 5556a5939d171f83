"""SIGTERM and SIGINT: the first asks for a clean stop, the second ends the process at once.

A stop that takes too long is cut short and still counts as one: whatever was decided is committed
or not, and the next start looks at everything again. A server that keeps us waiting for its answer
is the usual cause.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

import structlog

#: A stop takes no longer, in seconds.
STOP_S = 4.5
#: For the words about that, in seconds: the log itself may be what hangs.
WORDS_S = 0.2
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Hears the signals also while the main thread waits inside Postgres or a server's answer.

    Python runs signal handlers in the main thread only, when it gets round to it. The number of
    a signal is written to a socket at once, so a thread of its own listens there.
    """

    def __init__(self, stop_s: float = STOP_S, end: Callable[[int], Any] = os._exit) -> None:
        self._stop_s = stop_s
        self._end = end
        self._stop: tuple[Callable[[], None], ...] = ()
        self._asked = False
        self._before: dict[int, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._listen, name="signals", daemon=True)

    def then(self, *stop: Callable[[], None]) -> None:
        """From now on the first signal calls these; until now it ends the process by SystemExit."""
        self._stop = stop
        if self._asked:  # meanwhile
            self._call()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._interrupt) for number in SIGNALS}
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """In the main thread: before the service runs there is nothing to stop cleanly."""
        if not self._stop:
            raise SystemExit(0)

    def _listen(self) -> None:
        first = self._heard()
        if first is None:
            return
        self._asked = True
        self._call()
        self._reader.settimeout(self._stop_s)
        try:
            second = self._heard()
        except TimeoutError:
            self._say_cut_short()
            self._end(0)
        else:
            if second is not None:
                self._end(128 + second)

    def _call(self) -> None:
        for stop in self._stop:
            stop()

    def _heard(self) -> int | None:
        """The next of our signals; None once `__exit__` was called."""
        while number := self._reader.recv(1):
            if number[0] in SIGNALS:
                return number[0]
        return None

    def _say_cut_short(self) -> None:
        words = "stopped while something did not answer: the next start looks at it again"
        log = structlog.get_logger(__name__)
        speaker = threading.Thread(target=log.warning, args=(words,), daemon=True)
        speaker.start()
        speaker.join(WORDS_S)
