"""Storage that is missing, vanishes, is replaced, is a share, or hangs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.outputs import mounts, watch
from tests.integration.watch.watching import DEADLINE_S, Heard, Kind, watching


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
