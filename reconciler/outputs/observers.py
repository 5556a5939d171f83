"""watchdog's observers, set up so that they tell of media files, and of manifests where inotify
watches, and follow no links."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, EventEmitter
from watchdog.observers.polling import PollingObserverVFS

from reconciler.outputs.mounts import blind_spot, read_mounts
from reconciler.outputs.scan import is_manifest, is_wanted, scan, visible

# Few types, since each event takes a place in the kernel's queue, which overflows. Without
# FileModifiedEvent above all: an encoder makes one at each write, thousands in a long video,
# while one stat at look time tells of growth just as well. FileCreatedEvent is also how watchdog
# reports what was in a new folder before it was watched, and what is moved in from elsewhere.
_EVENTS: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]

#: A poll may take up this share of the time.
_POLL_SHARE = 0.1

#: The kernel's limits, by the error that tells of them.
LIMITS = {
    errno.ENOSPC: "fs.inotify.max_user_watches",
    errno.EMFILE: "fs.inotify.max_user_instances",
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a file: created, moved, deleted, grown, closed. Only a hint."""

    path: Path
    #: Its writer closed it (CLOSE_WRITE). Never seen by polling.
    closed: bool
    #: It is no output but a manifest of the node pack: a prompt ended.
    manifest: bool = False


class Handler(FileSystemEventHandler):
    """Turns watchdog's events into changes below `root`, whose real path is `real`."""

    def __init__(self, root: Path, real: str, on_change: Callable[[Change], None]) -> None:
        self._root = root
        self._prefix = real.rstrip("/") + "/"
        self._on_change = on_change
        #: Folders appeared, which need watches of their own.
        self.new_folders = False

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog in its thread."""
        if event.is_directory:
            self.new_folders = True
            return
        closed = isinstance(event, FileClosedEvent)
        for name in (event.src_path, event.dest_path):
            relative = os.fsdecode(name).removeprefix(self._prefix)
            if is_wanted(relative):
                self._on_change(Change(self._root / relative, closed))
            elif is_manifest(relative) and not isinstance(event, FileDeletedEvent):
                self._on_change(Change(self._root / relative, closed, manifest=True))


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


def start_inotify(real: str, handler: Handler) -> BaseObserver:
    """Watch `real`, with links resolved: watchdog would watch a link, not the folder behind it.

    Raises OSError, with an errno out of `LIMITS` where the kernel has no watches left.
    """
    # Harmless, common where folders are made quickly, and a page of its insides each time.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
    observer = _started(Observer(), real, handler, _EVENTS)
    try:
        probe_limits(real)
    except OSError:
        close(observer)
        raise
    return observer


def probe_limits(real: str) -> None:
    """Raise OSError (ENOSPC) if the kernel has no watch left for another folder.

    watchdog 7.1 says so for the root only: a subfolder without a watch stays silent for ever.
    """
    try:
        observer = Observer()
    except OSError:
        return  # no instance left for this probe: that says nothing about watches
    observer.schedule(FileSystemEventHandler(), real)
    try:
        observer.start()
    finally:
        close(observer)


def start_polling(real: str, handler: Handler, interval_s: float) -> BaseObserver:
    """Compare listings of `real` every `interval_s` or, where listing takes long, less often.

    Raises `OutputError` or OSError where it cannot be listed.
    """

    def listed(folder: str | None) -> Iterator[os.DirEntry[str]]:
        try:
            yield from visible(folder or real)
        except OSError:
            # One broken subfolder must not blind us to the rest; a broken root is for watchdog.
            if folder == real:
                raise

    began_s = time.monotonic()
    scan(Path(real))
    pace_s = (time.monotonic() - began_s) / _POLL_SHARE
    observer = PollingObserverVFS(os.lstat, listed, polling_interval=max(interval_s, pace_s))
    return _started(observer, real, handler, [*_EVENTS, FileModifiedEvent])


def _started(
    observer: BaseObserver, real: str, handler: Handler, events: list[type[FileSystemEvent]]
) -> BaseObserver:
    observer.schedule(handler, real, recursive=True, event_filter=events)
    try:
        observer.start()
    except OSError:
        close(observer)
        raise
    return observer


def is_alive(observer: BaseObserver) -> bool:
    """False if one of its threads ended. Where watchdog has a thread of its own that reads from
    the kernel, it stands in a private place; its death silences the rest for ever."""
    inner = [getattr(observer, "_inotify_fd", None)]
    inner += [getattr(emitter, "_inotify", None) for emitter in observer.emitters]
    readers = [reader for reader in inner if isinstance(reader, threading.Thread)]
    return all(thread.is_alive() for thread in (observer, *observer.emitters, *readers))


def close(observer: BaseObserver) -> None:
    """Stop it and wait for its threads; also one whose start failed."""
    for emitter in observer.emitters:
        _forget_folders(emitter)
    observer.stop()
    if observer.is_alive():
        observer.join()


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
