"""The watch on real inotify and by real polling."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from watchdog.observers import inotify_c

from reconciler.inbox import EVERYTHING, Inbox
from reconciler.outputs import mounts, watch
from reconciler.outputs.scan import scan
from reconciler.outputs.watch import Change, OutputWatch

Kind = Literal["inotify", "polling"]

DEADLINE_S = 20.0


class Heard:
    """Everything that a watch said, to be waited for."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.changes: list[Change] = []
        self.paths: set[Path] = set()
        self.lost: list[str] = []

    def on_change(self, change: Change) -> None:
        with self._news:
            self.changes.append(change)
            self.paths.add(change.path)
            self._news.notify_all()

    def on_lost(self, words: str) -> None:
        with self._news:
            self.lost.append(words)
            self._news.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; some conditions become true without news, so look again, too."""
        with self._news:
            for _ in range(int(DEADLINE_S / 0.02)):
                if self._news.wait_for(condition, 0.02):
                    return
        raise AssertionError(f"not in {DEADLINE_S} s; heard {self.changes[-5:]} {self.lost}")

    def until_changed(self, *paths: Path) -> None:
        wanted = set(paths)
        self.until(lambda: len(self.paths) >= len(wanted) and wanted <= self.paths)

    def until_closed(self, *paths: Path) -> None:
        self.until(lambda: {Change(path, closed=True) for path in paths} <= set(self.changes))

    def until_said(self, words: str) -> None:
        self.until(lambda: any(words in said for said in self.lost))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(params=["inotify", "polling"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return "inotify" if request.param == "inotify" else "polling"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    output = tmp_path / "output"
    output.mkdir()
    return output


@contextmanager
def watching(
    root: Path, heard: Heard, kind: Literal["auto", "inotify", "polling"] = "auto"
) -> Iterator[OutputWatch]:
    watched = OutputWatch(
        root,
        heard.on_change,
        heard.on_lost,
        observer=kind,
        poll_interval_s=0.05,
        check_interval_s=0.05,
    )
    watched.start()
    try:
        yield watched
    finally:
        watched.stop()


def test_a_new_file_is_noticed(root: Path, heard: Heard, kind: Kind) -> None:
    with watching(root, heard, kind) as watched:
        (root / "a_00001_.png").write_bytes(b"x")
        heard.until_changed(root / "a_00001_.png")
        assert watched.healthy
        assert watched.kind == kind
    assert heard.lost == []


def test_inotify_tells_of_the_creation_first_and_of_the_close_last(
    root: Path, heard: Heard
) -> None:
    video = root / "a.mp4"
    with watching(root, heard, "inotify"):
        with video.open("wb") as growing:
            heard.until_changed(video)
            growing.write(b"x" * 10_000)
            growing.flush()
            assert heard.changes == [Change(video, closed=False)]
        heard.until_closed(video)
    # Not one event per write, which would fill the kernel's queue during a long encode.
    assert heard.changes == [Change(video, closed=False), Change(video, closed=True)]


def test_polling_tells_of_growth_and_never_of_a_close(root: Path, heard: Heard) -> None:
    video = root / "a.mp4"
    video.write_bytes(b"x")
    with watching(root, heard, "polling") as watched:
        with video.open("ab") as growing:
            growing.write(b"x")
            growing.flush()
            heard.until_changed(video)
        assert watched.why == "the settings say so"
    assert set(heard.changes) == {Change(video, closed=False)}


def test_a_burst_of_files_is_told_completely_and_merges(
    root: Path, heard: Heard, kind: Kind
) -> None:
    inbox = Inbox(limit=100)
    files = [root / f"{number:04}.png" for number in range(2000)]

    def on_change(change: Change) -> None:
        inbox.put(change.path)
        heard.on_change(change)

    watched = OutputWatch(root, on_change, heard.on_lost, observer=kind, poll_interval_s=0.05)
    watched.start()
    try:
        for path in files:
            path.touch()
        heard.until_changed(*files)
    finally:
        watched.stop()
    assert inbox.take(0.0, 0.0) == {EVERYTHING}
    assert len(scan(root).files) == 2000


def test_files_in_new_nested_folders_are_noticed(root: Path, heard: Heard, kind: Kind) -> None:
    """Folder and file appear faster than a watch on the folder can be set."""
    files = [root / f"day{day}" / "a" / "b" / "c.png" for day in range(50)]
    with watching(root, heard, kind):
        for path in files:
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
        heard.until_changed(*files)


def test_a_folder_that_was_new_is_watched_from_then_on(root: Path, heard: Heard) -> None:
    (root / "early").mkdir()
    with watching(root, heard, "inotify"):
        (root / "late" / "deep").mkdir(parents=True)
        for folder in ("early", "late/deep"):
            (root / folder / "first.png").touch()
            heard.until_changed(root / folder / "first.png")
            (root / folder / "second.png").touch()
            heard.until_closed(root / folder / "second.png")


def test_what_is_moved_in_is_noticed_under_its_new_name(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "inside.png").touch()
    (tmp_path / "from outside.png").touch()
    (root / "a.mp4.tmp").touch()
    with watching(root, heard, kind):
        (tmp_path / "from outside.png").rename(root / "from outside.png")
        (tmp_path / "elsewhere").rename(root / "folder")
        (root / "a.mp4.tmp").rename(root / "a.mp4")
        heard.until_changed(root / "from outside.png", root / "folder/inside.png", root / "a.mp4")
    assert not any(change.closed for change in heard.changes)


def test_a_deletion_is_noticed(root: Path, heard: Heard, kind: Kind) -> None:
    (root / "a.png").touch()
    with watching(root, heard, kind):
        (root / "a.png").unlink()
        heard.until_changed(root / "a.png")


def test_names_that_are_no_text_arrive_whole(root: Path, heard: Heard, kind: Kind) -> None:
    raw = os.fsencode(root) + b"/caf\xe9\n.png"
    with watching(root, heard, kind):
        with open(raw, "wb"):
            pass
        heard.until_changed(Path(os.fsdecode(raw)))
    assert {os.fsencode(path) for path in heard.paths} == {raw}


def test_only_visible_media_files_are_told(root: Path, heard: Heard, kind: Kind) -> None:
    (root / ".reconciler").mkdir()
    with watching(root, heard, kind):
        (root / ".reconciler" / "thumb.png").touch()
        (root / "prompt.json").touch()
        (root / ".hidden.png").touch()
        (root / "last.png").touch()
        heard.until_changed(root / "last.png")
    assert heard.paths == {root / "last.png"}


def test_a_manifest_is_told_once_it_is_in_place(root: Path, heard: Heard) -> None:
    folder = root / ".reconciler"
    folder.mkdir()
    with watching(root, heard, "inotify"):
        (folder / ".p.json.tmp").write_bytes(b"{}")
        (folder / ".p.json.tmp").rename(folder / "p.json")
        heard.until_changed(folder / "p.json")
        (folder / "p.json").unlink()
        (root / "last.png").touch()
        heard.until_changed(root / "last.png")
    assert [(c.path, c.manifest) for c in heard.changes if c.path.suffix == ".json"] == [
        (folder / "p.json", True)
    ]
    assert not any(c.manifest for c in heard.changes if c.path.suffix != ".json")


def test_the_first_manifest_of_all_makes_the_folder(root: Path, heard: Heard) -> None:
    with watching(root, heard, "inotify"):
        (root / ".reconciler").mkdir()
        (root / ".reconciler" / "p.json").write_bytes(b"{}")
        heard.until(lambda: any(c.manifest for c in heard.changes))
    assert scan(root).files == ()


def test_links_in_circles_neither_hang_nor_lead_out(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("one", "two", "three"):
        (root / name).symlink_to(root)
    (root / "out").symlink_to(outside)
    with watching(root, heard, kind):
        (outside / "secret.png").touch()
        (root / "last.png").touch()
        heard.until_changed(root / "last.png")
    assert heard.paths == {root / "last.png"}


def test_a_root_that_is_a_link_is_followed_and_keeps_its_name(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    with watching(link, heard, kind):
        (root / "a.png").touch()
        heard.until_changed(link / "a.png")


def test_a_directory_that_is_missing_at_the_start_is_waited_for(
    tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    late = tmp_path / "late"
    with watching(late, heard, kind) as watched:
        heard.until_said("mount its storage")
        assert not watched.healthy
        late.mkdir()
        heard.until_said(f"watched by {kind} now")
        assert watched.healthy
        (late / "a.png").touch()
        heard.until_changed(late / "a.png")
    # Each thing was said once, however often it was looked at.
    assert len(heard.lost) == 2


def test_a_directory_that_vanishes_and_comes_back(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    with watching(root, heard, kind) as watched:
        root.rename(tmp_path / "away")
        heard.until_said("No such file or directory")
        heard.until(lambda: not watched.healthy)
        root.mkdir()
        (root / "meanwhile.png").touch()
        heard.until(lambda: watched.healthy)
        heard.until_said(f"watched by {kind} now")
        (root / "a.png").touch()
        heard.until_changed(root / "a.png")


def test_a_directory_that_is_replaced_between_two_looks_is_noticed(
    root: Path, tmp_path: Path, heard: Heard, kind: Kind
) -> None:
    """As a mount on top of it does; inotify says nothing of either."""
    (tmp_path / "new").mkdir()
    with watching(root, heard, kind):
        root.rename(tmp_path / "away")
        (tmp_path / "new").rename(root)
        heard.until_said(f"watched by {kind} now")
        (root / "a.png").touch()
        heard.until_changed(root / "a.png")


def test_a_directory_removed_and_created_anew_is_watched_again(root: Path, heard: Heard) -> None:
    """ext4 may give it the same inode: then only the end of watchdog's thread tells."""
    with watching(root, heard, "inotify"):
        root.rmdir()
        root.mkdir()
        heard.until_said("watched by inotify now")
        (root / "a.png").touch()
        heard.until_closed(root / "a.png")


def test_a_network_mount_is_polled_unless_the_settings_say_otherwise(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "1 0 0:50 / / rw - nfs4 nas:/v rw"
    monkeypatch.setattr(mounts, "read_mounts", lambda: mounts.parse_mountinfo(text))
    monkeypatch.setattr("reconciler.outputs.observers.read_mounts", mounts.read_mounts)
    with watching(root, heard) as watched:
        assert watched.kind == "polling"
        assert "nfs4" in (watched.why or "")
    with watching(root, heard, "inotify") as watched:
        assert (watched.kind, watched.why) == ("inotify", None)
    assert heard.lost == []


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


def test_storage_that_hangs_is_unhealthy_until_it_answers(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    real = mounts.identify

    def hang(folder: Path) -> str:
        answers.wait(DEADLINE_S)
        return real(folder)

    with watching(root, heard) as watched:
        assert watched.healthy
        monkeypatch.setattr(watch, "_HUNG_S", 0.1)
        monkeypatch.setattr(watch, "identify", hang)
        heard.until(lambda: not watched.healthy)
        answers.set()
        heard.until(lambda: watched.healthy)
    assert heard.lost == []


def test_neither_start_nor_stop_waits_for_storage_that_hangs(
    root: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    real = mounts.identify

    def hang(folder: Path) -> str:
        answers.wait(DEADLINE_S)
        return real(folder)

    monkeypatch.setattr(watch, "identify", hang)
    monkeypatch.setattr(watch, "_PATIENCE_S", 0.05)
    with watching(root, heard) as watched:
        assert not watched.healthy
        answers.set()
        # What happened since `start` returned may be missing: that has to be said.
        heard.until_said("watched by inotify now")


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


def swap_folders(root: Path, away: Path, heard: Heard) -> None:
    """One folder is moved away and another takes its name: watchdog 7.1 loses count of them."""
    for name in ("next", "today"):
        (root / name).mkdir()
        (root / name / "a.png").touch()
        heard.until_changed(root / name / "a.png")
    (root / "today").rename(away)
    (root / "next").rename(root / "today")
    heard.until_changed(root / "today" / "a.png")


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
