"""How the outside reaches a node that is at work: interrupt, end of the worker, end of the life."""

from __future__ import annotations

import threading
from typing import NoReturn


class Interrupted(Exception):
    """Somebody interrupted the running prompt, and its node listened."""


class WorkerKilled(BaseException):
    """Escapes every handler of the executor and ends the worker thread: a zombie's cause."""


class LifeOver(BaseException):
    """The simulated process is gone: nothing more may be written or told."""


class Signals:
    """Flags that a node at work looks at whenever it pauses."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._interrupted = False
        self._worker_killed = False
        self._over = False

    @property
    def over(self) -> bool:
        """True once the simulated process has ended."""
        return self._over

    def interrupt(self) -> None:
        """Ask whatever runs to stop at its next look."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def forget_interrupt(self) -> None:
        """A prompt that starts knows nothing of interrupts meant for earlier ones."""
        with self._changed:
            self._interrupted = False

    def kill_worker(self) -> None:
        """Make the worker thread end at its next look."""
        with self._changed:
            self._worker_killed = True
            self._changed.notify_all()

    def end(self) -> None:
        """The process is over."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait `seconds`, or until a flag is up.

        Raises `LifeOver`, `WorkerKilled` or `Interrupted`.
        """
        with self._changed:
            self._changed.wait_for(self._any_is_up, timeout=max(seconds, 0.0))
            self.check_worker()
            if self._interrupted:
                self._interrupted = False
                raise Interrupted

    def hang(self) -> NoReturn:
        """Hear nothing until the process ends; raises `LifeOver` then."""
        with self._changed:
            self._changed.wait_for(lambda: self._over)
        raise LifeOver

    def check_worker(self) -> None:
        """Raise `LifeOver` or `WorkerKilled` if the worker may not go on."""
        if self._over:
            raise LifeOver
        if self._worker_killed:
            raise WorkerKilled

    def _any_is_up(self) -> bool:
        return self._over or self._worker_killed or self._interrupted
