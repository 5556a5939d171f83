"""Files judged side by side and told in their order; and the signals that end that cleanly."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Self

from reconciler.cli.check.checked import Checked

#: Files that are begun before the first of them is told; what bounds memory, however many come.
AHEAD = 64
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Hears SIGINT and SIGTERM as news, not as an exception: what is being written is finished.

    A second one raises KeyboardInterrupt.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._before: dict[int, Any] = {}
        #: The signal that came; None so far.
        self.number: int | None = None

    def came(self) -> bool:
        """True once it is time to end."""
        return self.number is not None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            raise KeyboardInterrupt
        self.number = number
        self._tell()


def in_order(
    paths: Iterable[Path],
    submit: Callable[[Path], Future[Checked]],
    news: SimpleQueue[object],
    stopped: Callable[[], bool],
) -> Iterator[Checked]:
    """Judge files side by side, and give them in their order.

    `news` gets something when a file is judged or when to look at `stopped`. Once that is true,
    what is judged already is given, and nothing else is waited for.
    """
    source = iter(paths)
    waiting: deque[Future[Checked]] = deque()
    more = True
    while not stopped():
        while more and len(waiting) < AHEAD and not stopped():
            path = next(source, None)
            if path is None:
                more = False
                break
            waiting.append(submit(path))
            waiting[-1].add_done_callback(news.put)
        if not waiting:
            return
        news.get()
        while waiting and waiting[0].done():
            yield waiting.popleft().result()
    yield from (future.result() for future in waiting if future.done())
