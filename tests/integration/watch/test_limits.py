"""The kernel's limits on watching."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers import inotify_c

from tests.integration.watch.watching import DEADLINE_S, Heard, watching


@pytest.fixture
def watches_left(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the kernel refuse further inotify watches after so many, as it does at its limit."""
    real = inotify_c.inotify_add_watch

    def limit(count: int) -> None:
        left = iter(range(count))

        def add(descriptor: int, path: bytes, mask: int) -> int:
            if next(left, None) is not None:
                return real(descriptor, path, mask)
            ctypes.set_errno(errno.ENOSPC)
            return -1

        monkeypatch.setattr(inotify_c, "inotify_add_watch", add)

    return limit


@pytest.mark.parametrize("left", [0, 2])
def test_without_inotify_watches_it_polls_and_says_so(
    root: Path, heard: Heard, watches_left: Callable[[int], None], left: int
) -> None:
    """Also where they suffice for the root and not for its subfolders."""
    for name in ("a", "b", "c"):
        (root / name).mkdir()
    watches_left(left)
    with watching(root, heard) as watched:
        assert watched.kind == "polling"
        assert watched.healthy
        heard.until_said("fs.inotify.max_user_watches")
        (root / "c" / "a.png").touch()
        heard.until_changed(root / "c" / "a.png")


def test_without_inotify_instances_it_polls_and_says_so(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        ctypes.set_errno(errno.EMFILE)
        return -1

    monkeypatch.setattr(inotify_c, "inotify_init", refuse)
    with watching(root, heard) as watched:
        assert watched.kind == "polling"
    assert "fs.inotify.max_user_instances" in heard.lost[0]


def test_watches_that_run_out_later_are_noticed(
    root: Path, heard: Heard, watches_left: Callable[[int], None]
) -> None:
    with watching(root, heard) as watched:
        assert watched.kind == "inotify"
        watches_left(0)
        (root / "new").mkdir()
        heard.until_said("watched by polling now")
        (root / "new" / "a.png").touch()
        heard.until_changed(root / "new" / "a.png")
        assert watched.healthy


def test_an_overflow_of_the_kernels_queue_is_told(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one: watchdog does not read while more is closed than the kernel keeps."""
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    go_on = threading.Event()
    go_on.set()
    real = inotify_c.InotifyFD.read_events

    def slow(reader: inotify_c.InotifyFD) -> list[inotify_c.InotifyEvent]:
        events = real(reader)
        go_on.wait(DEADLINE_S)
        return events

    monkeypatch.setattr(inotify_c.InotifyFD, "read_events", slow)
    files = (root / "a.png", root / "b.png")
    with watching(root, heard, "inotify"):
        go_on.clear()
        for number in range(room + 5000):
            # Two in turn: the kernel merges equal events in a row.
            os.close(os.open(files[number % 2], os.O_WRONLY | os.O_CREAT))
        go_on.set()
        heard.until_said("overflowed")
