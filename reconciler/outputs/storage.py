"""Questions to storage that may hang: a network share whose server is gone holds whoever asks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from reconciler.errors import OutputError

T = TypeVar("T")

#: How long an answer is waited for, in seconds. A disk that has to spin up takes most of it.
PATIENCE_S = 5.0


class Storage:
    """Asks in a thread of its own, which alone hangs with the storage: no signal reaches it there.

    While a question hangs, all others are refused at once. `ask` belongs to one thread.
    """

    def __init__(self, root: Path, patience_s: float = PATIENCE_S) -> None:
        self._root = root
        self._patience_s = patience_s
        self._questions: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._begun = False
        #: The answer to the question that hangs.
        self._late: SimpleQueue[object] | None = None

    @property
    def hangs(self) -> bool:
        """True from a question that was given up until it is answered."""
        return self._late is not None and self._late.empty()

    def ask(self, question: Callable[[], T]) -> T:
        """What the question returns or raises. It must change nothing of ours: given up, it goes
        on. Raises `OutputError` where no answer comes in time."""
        if self.hangs:
            raise OutputError(f"the storage of {os.fspath(self._root)!r} does not answer")
        if not self._begun:
            self._begin()
        answer: SimpleQueue[T | BaseException] = SimpleQueue()
        self._questions.put(lambda: answer.put(_answered(question)))
        try:
            found = answer.get(timeout=self._patience_s)
        except Empty:
            self._late = answer  # type: ignore[assignment]
            raise OutputError(
                f"the storage of {os.fspath(self._root)!r} did not answer within"
                f" {self._patience_s:g} s; see whether its server is reachable"
            ) from None
        if isinstance(found, BaseException):
            raise found
        return found

    def _begin(self) -> None:
        thread = threading.Thread(
            target=_serve, args=(self._questions,), name="storage", daemon=True
        )
        thread.start()
        weakref.finalize(self, self._questions.put, None)
        self._begun = True


def _serve(questions: SimpleQueue[Callable[[], None] | None]) -> None:
    while (question := questions.get()) is not None:
        question()
        del question  # which may be all that keeps its storage


def _answered(question: Callable[[], T]) -> T | BaseException:
    try:
        return question()
    except BaseException as error:  # it is raised where it was asked
        return error
