"""The watch on one output directory: which files changed, and whether the watch can be trusted."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from reconciler.errors import OutputError
from reconciler.outputs import observers
from reconciler.outputs.change import Change
from reconciler.outputs.mounts import identify, unusable
from reconciler.outputs.observers import Inotify
from reconciler.outputs.polling import Poller
from reconciler.outputs.scan import replaced

__all__ = ["Change", "OutputWatch"]

#: How long `start` and `stop` wait for storage that does not answer.
_PATIENCE_S = 3.0
#: A look after the storage that takes longer hangs (a network share whose server is gone).
_HUNG_S = 15.0
_OVERFLOWED = "the kernel's queue of file events overflowed: some were lost"

Observer = Inotify | Poller


class OutputWatch:
    """Tells of changed files below `root`, by inotify or by polling, and keeps itself alive.

    Every second it looks whether `root` is still the directory that it watches. inotify goes
    silent without a word when that is renamed, unmounted or covered by a mount. A directory that
    is missing, at the start or later, is waited for.

    `on_change` gets hints, from watchdog's thread: one per event, unordered between files, at
    times for files that are gone. `on_lost` gets words, from any thread, whenever events may be
    missing: the directory vanished or came back, the kernel's queue overflowed, its watches ran
    out. Then list everything. Both must return at once and not raise.
    """

    def __init__(
        self,
        root: Path,
        on_change: Callable[[Change], None],
        on_lost: Callable[[str], None],
        *,
        observer: Literal["auto", "inotify", "polling"] = "auto",
        poll_interval_s: float = 2.0,
        check_interval_s: float = 1.0,
    ) -> None:
        self._root = root
        self._on_change = on_change
        self._on_lost = on_lost
        self._setting = observer
        self._poll_interval_s = poll_interval_s
        self._check_interval_s = check_interval_s
        #: How it watches, as of the last time that it began to.
        self.kind: Literal["inotify", "polling"] = "inotify"
        #: Why it polls, in words; None with inotify.
        self.why: str | None = None
        self._observer: Observer | None = None
        self._handler = observers.Handler(root, "", on_change)
        self._marker = ""
        self._said: str | None = None
        self._overflowed = threading.Event()
        self._looked_s = 0.0
        self._first_look = threading.Event()
        self._late = False
        self._stopping = threading.Event()
        # It alone opens and closes the observer, so that storage that hangs holds up nobody else.
        self._thread = threading.Thread(target=self._run, name="output-watch", daemon=True)
        self._ear = observers.OverflowEar(self._overflowed.set)

    @property
    def healthy(self) -> bool:
        """True while it watches and the storage answers. Ask before listing: a listing hangs
        with its storage."""
        hung = time.monotonic() - self._looked_s > self._check_interval_s + _HUNG_S
        return self._observer is not None and self._thread.is_alive() and not hung

    def start(self) -> None:
        """Begin to watch. List everything after it returns: nothing slips in between.

        Raises nothing for a directory that is missing; `on_lost` tells, and `healthy`.
        """
        logging.getLogger("watchdog").addHandler(self._ear)
        self._thread.start()
        self._late = not self._first_look.wait(_PATIENCE_S)

    def stop(self) -> None:
        """End the watch; no calls come after it, unless the storage hangs."""
        logging.getLogger("watchdog").removeHandler(self._ear)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tend()
            except Exception as error:  # a bug of watchdog must not end the watch for good
                self._say(f"the watch on {os.fspath(self._root)!r} failed ({error!r})")
            self._looked_s = time.monotonic()
            self._first_look.set()
            self._stopping.wait(self._check_interval_s)
        self._close()

    def _tend(self) -> None:
        """One look: close a watch that went blind, open one that is not there."""
        if self._observer is not None:
            trouble = self._trouble(self._observer)
            if trouble is None:
                return
            self._close()
            if trouble != _OVERFLOWED:
                self._say(trouble)
        try:
            self._open()
        except OutputError as error:
            self._close()
            self._say(str(error))
        except OSError as error:
            self._close()
            self._say(unusable(self._root, error))

    def _trouble(self, observer: Observer) -> str | None:
        try:
            if identify(self._root) != self._marker:
                return replaced(self._root)
            if self.kind == "inotify" and self._handler.new_folders:
                self._handler.new_folders = False
                observers.probe_limits(os.path.realpath(self._root))
        except OutputError as error:
            return str(error)
        except OSError as error:
            return f"new folders below {os.fspath(self._root)!r} cannot be watched: {error}"
        if self._overflowed.is_set():
            return _OVERFLOWED
        if observer.is_alive():
            return None
        return f"the watch on {os.fspath(self._root)!r} ended; it is begun anew"

    def _open(self) -> None:
        # watchdog mends its watches after an overflow, and says when it begins: what happens until
        # it is done would be missed by a listing that begins then. Anew is as quick, and clear.
        overflowed = self._overflowed.is_set()
        self._overflowed.clear()
        self._marker = identify(self._root)
        real = os.path.realpath(self._root)
        self._handler = observers.Handler(self._root, real, self._on_change)
        chosen = self.why = observers.polling_reason(self._setting, real)
        self._observer = self._start_inotify(real) if chosen is None else None
        self.kind = "polling" if self._observer is None else "inotify"
        if self._observer is None:
            self._observer = self._start_polling()
        if identify(self._root) != self._marker:
            raise OutputError(replaced(self._root))
        reasons = [each for each in (_OVERFLOWED * overflowed, self.why) if each]
        if self._said is not None or self._late or overflowed or self.why != chosen:
            because = "".join(f": {each}" for each in reasons)
            self._on_lost(f"{os.fspath(self._root)!r} is watched by {self.kind} now{because}")
        self._said = None
        self._late = False

    def _start_inotify(self, real: str) -> Inotify | None:
        """None where a limit of the kernel forbids it; `why` names it."""
        try:
            inotify = Inotify(real, self._handler)
            inotify.start()
        except OSError as error:
            limit = observers.LIMITS.get(error.errno or 0)
            if limit is None:
                raise
            self.why = f"the kernel's limit {limit} is reached; raise it with sysctl"
            return None
        return inotify

    def _start_polling(self) -> Poller:
        poller = Poller(self._root, self._on_change, self._poll_interval_s)
        poller.start()
        return poller

    def _close(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.close()

    def _say(self, words: str) -> None:
        """Tell once, not at every look."""
        if words != self._said:
            self._said = words
            self._on_lost(words)
