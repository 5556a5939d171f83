"""How a directory is watched, and watchdog's inotify, set up so that it tells of media files and
manifests, and follows no links."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventEmitter

from reconciler.outputs.change import Change
from reconciler.outputs.mounts import blind_spot, read_mounts
from reconciler.outputs.scan import is_manifest, is_wanted

# Few types, since each event takes a place in the kernel's queue, which overflows. Without
# FileModifiedEvent above all: an encoder makes one at each write, thousands in a long video,
# while one stat at look time tells of growth just as well. Without FileDeletedEvent: a million old
# files that somebody deletes are no news of any job. FileCreatedEvent is also how watchdog
# reports what was in a new folder before it was watched, and what is moved in from elsewhere.
_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]

#: A folder is new for so long, in seconds. What was in it before it was watched is told right after
#: it, and is told like a file that was created just now.
_NEW_S = 10.0

#: The kernel's limits, by the error that tells of them.
LIMITS = {
    errno.ENOSPC: "fs.inotify.max_user_watches",
    errno.EMFILE: "fs.inotify.max_user_instances",
}


class Handler(FileSystemEventHandler):
    """Turns watchdog's events into changes below `root`, whose real path is `real`."""

    def __init__(self, root: Path, real: str, on_change: Callable[[Change], None]) -> None:
        self._root = root
        self._prefix = real.rstrip("/") + "/"
        self._on_change = on_change
        #: Folders appeared, which need watches of their own.
        self.new_folders = False
        #: Until when (monotonic seconds) they count as new.
        self._new_until_s: dict[str, float] = {}

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog in its thread."""
        names = [os.fsdecode(name) for name in (event.src_path, event.dest_path)]
        if event.is_directory:
            self._note_new(names)
            return
        closed = isinstance(event, FileClosedEvent)
        for name in names:
            relative = name.removeprefix(self._prefix)
            if is_wanted(relative):
                missed = not closed and (isinstance(event, FileMovedEvent) or self._is_new(name))
                self._on_change(Change(self._root / relative, closed, close_missed=missed))
            elif is_manifest(relative):
                self._on_change(Change(self._root / relative, closed, manifest=True))

    def _note_new(self, folders: list[str]) -> None:
        now_s = time.monotonic()
        known = {path: until_s for path, until_s in self._new_until_s.items() if until_s > now_s}
        self._new_until_s = known | dict.fromkeys(folders, now_s + _NEW_S)
        self.new_folders = True

    def _is_new(self, name: str) -> bool:
        return self._new_until_s.get(os.path.dirname(name), 0.0) > time.monotonic()


class OverflowEar(logging.Handler):
    """Hears that the kernel's queue overflowed, which watchdog 7.1 says in its log alone.

    Where a later watchdog words it otherwise, nothing breaks: the timed rescans find the rest.
    """

    def __init__(self, on_overflow: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._on_overflow = on_overflow

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        if "overflow" in record.getMessage().lower():
            self._on_overflow()


def polling_reason(setting: str, real: str) -> str | None:
    """Why `real` must be polled, in words, or None for inotify. `setting` may be "auto"."""
    if sys.platform != "linux":
        return "this system has no inotify"
    if setting == "auto":
        return blind_spot(real, read_mounts())
    return "the settings say so" if setting == "polling" else None


class Inotify:
    """watchdog's recursive watch on `real`, with links resolved: it would watch a link, and not
    the folder behind it."""

    def __init__(self, real: str, handler: FileSystemEventHandler) -> None:
        """Raises OSError, with an errno out of `LIMITS` where the kernel has no instance left."""
        # Harmless, common where folders are made quickly, and a page of its insides each time.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._real = real
        self._handler = handler
        self._observer: BaseObserver = Observer()

    def start(self) -> None:
        """Begin to tell. Raises OSError, with an errno out of `LIMITS` where the kernel has not
        enough watches."""
        self._watch(_EVENTS, recursive=True)
        try:
            probe_limits(self._real)
        except OSError:
            self.close()
            raise

    def probe(self) -> None:
        """Have one watch for a moment. Raises OSError where the kernel has none left."""
        self._watch(_EVENTS, recursive=False)
        self.close()

    def _watch(self, events: list[type[FileSystemEvent]], *, recursive: bool) -> None:
        self._observer.schedule(self._handler, self._real, recursive=recursive, event_filter=events)
        try:
            self._observer.start()
        except OSError:
            self.close()
            raise

    def is_alive(self) -> bool:
        """False if one of its threads ended. Where watchdog has a thread of its own that reads
        from the kernel, it stands in a private place; its death silences the rest for ever."""
        inner = [getattr(self._observer, "_inotify_fd", None)]
        inner += [getattr(emitter, "_inotify", None) for emitter in self._observer.emitters]
        readers = [reader for reader in inner if isinstance(reader, threading.Thread)]
        threads = (self._observer, *self._observer.emitters, *readers)
        return all(thread.is_alive() for thread in threads)

    def close(self) -> None:
        """Stop it and wait for its threads; also one whose start failed."""
        for emitter in self._observer.emitters:
            _forget_folders(emitter)
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join()


def probe_limits(real: str) -> None:
    """Raise OSError (ENOSPC) if the kernel has no watch left for another folder.

    watchdog 7.1 says so for the root only: a subfolder without a watch stays silent for ever.
    """
    try:
        inotify = Inotify(real, FileSystemEventHandler())
    except OSError:
        return  # no instance left for this probe: that says nothing about watches
    inotify.probe()


def _forget_folders(emitter: EventEmitter) -> None:
    """watchdog 7.1 loses count when one folder is moved away and another takes its name: its
    own stop then ends in a KeyError and leaves threads behind. Each attempt forgets one folder
    at least, so that the last one goes through."""
    deactivate = getattr(getattr(emitter, "_inotify", None), "deactivate", None)
    while deactivate is not None:
        try:
            deactivate()
        except KeyError:
            continue
        return
