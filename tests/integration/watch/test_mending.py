"""A watch whose threads end is mended, and a stopped one leaves nothing behind."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from reconciler.outputs import watch
from reconciler.outputs.watch import Change, OutputWatch
from tests.integration.watch.watching import Heard, Kind, swap_folders, watching


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_end_of_watchdogs_threads_is_noticed_and_mended(root: Path, heard: Heard) -> None:
    fuse = iter([ValueError("a callback that breaks its promise")])

    def on_change(change: Change) -> None:
        heard.on_change(change)
        if error := next(fuse, None):
            raise error

    watched = OutputWatch(root, on_change, heard.on_lost, check_interval_s=0.05)
    watched.start()
    try:
        (root / "a.png").touch()
        heard.until_said("begun anew")
        heard.until_said("watched by inotify now")
        (root / "b.png").touch()
        heard.until_closed(root / "b.png")
    finally:
        watched.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_folders_that_are_moved_and_deleted_silence_nothing_for_good(
    root: Path, tmp_path: Path, heard: Heard
) -> None:
    probes = (root / f"{number}.png" for number in range(100_000))
    with watching(root, heard, "inotify"):
        swap_folders(root, tmp_path / "archive", heard)
        shutil.rmtree(root / "today")
        shutil.rmtree(tmp_path / "archive")
        told = len(heard.changes)
        heard.until(lambda: next(probes).touch() or len(heard.changes) > told)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_dies_is_noticed_and_replaced(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("lost count")

    with watching(root, heard, "inotify"):
        monkeypatch.setattr(inotify_c.InotifyFD, "handle_event", broken)
        (root / "a.png").touch()
        heard.until_said("ended")
        monkeypatch.undo()
        heard.until_said("watched by inotify now")
        (root / "b.png").touch()
        heard.until_closed(root / "b.png")


def test_an_error_that_nobody_expected_does_not_end_the_watch(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> str:
        raise RuntimeError("a bug")

    with watching(root, heard) as watched:
        monkeypatch.setattr(watch, "identify", broken)
        heard.until_said("RuntimeError('a bug')")
        monkeypatch.undo()
        heard.until(lambda: watched.healthy)
        (root / "a.png").touch()
        heard.until_changed(root / "a.png")


def test_a_stopped_watch_leaves_nothing_behind(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    threads, handlers = threading.active_count(), list(logging.getLogger("watchdog").handlers)
    descriptors = os.listdir("/proc/self/fd")
    with watching(root, heard, kind) as watched:
        if kind == "inotify":
            swap_folders(root, tmp_path / "archive", heard)
        (root / "a.png").touch()
        heard.until_changed(root / "a.png")
    told = len(heard.changes)
    (root / "b.png").touch()
    assert not watched.healthy
    assert threading.active_count() == threads
    assert logging.getLogger("watchdog").handlers == handlers
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)
    assert len(heard.changes) == told
    watched.stop()
