"""Which folders are listed again, and which changes are found nevertheless."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs import folders, mounts, rescans
from reconciler.outputs.rescans import Rescans

LONG_AGO = 1_000_000.0
YESTERDAY = 1_800_000_000.0
TODAY = YESTERDAY + 86_400


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Laboratory:
    """An output directory, its rescans, and which folders they listed."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self.rescans = Rescans(root)
        self.listed: list[str] = []

    def write(self, name: str, content: str = "x", at: float = LONG_AGO) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (at, at))
        return path

    def scan(self, newer_than: float = TODAY, *, whole: bool = False) -> set[str]:
        """Names of the files that are told, a minute later."""
        self.clock.now += 60.0
        self.listed.clear()
        found = self.rescans.scan(newer_than, whole=whole)
        return {fact.path.relative_to(self.root).as_posix() for fact in found.files}

    def calm(self) -> None:
        """Until nothing is listed any more: the second listing proves the first."""
        self.scan()
        self.scan()
        assert self.scan() == set()
        assert self.listed == []


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    clock = Clock()
    monkeypatch.setattr(rescans, "time", clock)
    monkeypatch.setattr(folders, "time", clock)
    monkeypatch.setattr(rescans, "folder_times_sure_s", lambda root: 3.0)
    root = tmp_path / "output"
    lab = Laboratory(root, clock)
    for name in ("a/old.png", "b/old.png", "b/deep/old.png"):
        lab.write(name)
    real = folders.visible

    def visible(folder: str) -> Iterator[os.DirEntry[str]]:
        lab.listed.append(os.path.relpath(folder, root))
        return real(folder)

    monkeypatch.setattr(folders, "visible", visible)
    return lab


def test_only_a_folder_that_changed_is_listed_again(lab: Laboratory) -> None:
    lab.calm()
    lab.write("b/new.png", at=TODAY + 1)
    assert lab.scan() == {"b/new.png"}
    assert lab.listed == ["b"]


def test_a_new_folder_is_found_however_deep(lab: Laboratory) -> None:
    lab.calm()
    lab.write("b/deep/new/er/new.png", at=TODAY + 1)
    assert lab.scan() == {"b/deep/new/er/new.png"}


def test_a_new_file_counts_whatever_its_own_time_says(lab: Laboratory) -> None:
    """The clock of the file server is an hour behind, or ahead; or the file was moved here."""
    lab.calm()
    lab.write("a/behind.png", at=TODAY - 3600)
    lab.write("b/moved.png", at=LONG_AGO)
    lab.write("ahead.png", at=TODAY + 90_000)
    assert lab.scan() == {"a/behind.png", "b/moved.png", "ahead.png"}


def test_a_young_file_that_grows_is_seen_without_a_listing(lab: Laboratory) -> None:
    lab.calm()
    lab.write("a/film.mp4", at=TODAY + 1)
    for _ in range(3):
        lab.scan()
    with (lab.root / "a/film.mp4").open("a") as film:
        film.write("more")
    lab.scan()
    assert lab.listed == []
    (fact,) = lab.rescans.scan(TODAY).files
    assert fact.size_bytes == 5


def test_an_old_file_rewritten_in_place_is_found_by_the_next_whole_listing(lab: Laboratory) -> None:
    lab.calm()
    lab.write("a/old.png", "rewritten", at=YESTERDAY)
    assert lab.scan() == set()
    assert lab.scan(whole=True) == {"a/old.png"}
    lab.write("b/old.png", "rewritten", at=YESTERDAY)
    lab.clock.now += rescans.WHOLE_S
    assert lab.scan() == {"b/old.png"}


@pytest.mark.parametrize("newer_than", [TODAY, LONG_AGO])
def test_a_listing_of_everything_that_failed_is_made_up_for(
    lab: Laboratory, newer_than: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events were lost, or an older job was opened, and its storage was away in that moment."""
    lab.calm()
    lab.write("a/old.png", "rewritten", at=YESTERDAY)
    with monkeypatch.context() as away:
        away.setattr(folders, "visible", _fails)
        with pytest.raises(OutputError):
            lab.scan(newer_than, whole=newer_than == TODAY)
    assert "a/old.png" in lab.scan(newer_than)


def _fails(folder: str) -> Iterator[os.DirEntry[str]]:
    raise OSError(errno.EIO, "input/output error")


def test_what_is_new_and_old_is_forgotten_after_an_hour(lab: Laboratory) -> None:
    lab.calm()
    lab.write("a/moved.png")
    assert lab.scan() == {"a/moved.png"}
    lab.clock.now += folders.FOLLOWED_S
    assert lab.scan() == set()
    lab.write("a/other.png")
    assert lab.scan() == {"a/other.png"}


def test_a_rename_over_a_file_is_seen(lab: Laboratory) -> None:
    lab.calm()
    lab.write("a/.old.png.tmp", "replaced").rename(lab.root / "a/old.png")
    assert lab.scan() == {"a/old.png"}


def test_a_folder_that_was_renamed_is_listed(lab: Laboratory) -> None:
    lab.write("b/deep/new.png", at=TODAY + 1)
    lab.scan()
    (lab.root / "b/deep").rename(lab.root / "a/deep")
    assert lab.scan() == {"a/deep/new.png"}


def test_two_changes_within_one_tick_are_both_found(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second sets the times that the first has set, which the listing has seen already."""
    lab.calm()
    lab.write("a/first.png", at=TODAY + 1)
    lab.scan()
    times = os.stat(lab.root / "a")
    real = os.stat

    def stopped(path: str, **options: bool) -> os.stat_result:
        return times if path == os.fspath(lab.root / "a") else real(path, **options)

    monkeypatch.setattr(folders.os, "stat", stopped)
    lab.write("a/second.png", at=TODAY + 1)
    assert lab.scan() == {"a/first.png", "a/second.png"}


def test_where_folders_times_prove_nothing_all_are_listed(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescans, "folder_times_sure_s", lambda root: None)
    for _ in range(4):
        lab.scan()
        assert len(lab.listed) == 4


def test_a_network_clients_memory_is_waited_out(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescans, "folder_times_sure_s", lambda root: 90.0)
    listed = []
    for _ in range(4):
        lab.scan()
        listed.append(len(lab.listed))
    assert listed == [4, 4, 4, 0]


def test_a_folder_that_could_not_be_read_is_tried_again(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = folders.visible

    def locked(folder: str) -> Iterator[os.DirEntry[str]]:
        if folder == os.fspath(lab.root / "b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(folder)

    lab.calm()
    lab.write("b/new.png", at=TODAY + 1)
    with monkeypatch.context() as patch:
        patch.setattr(folders, "visible", locked)
        for _ in range(3):
            assert lab.scan() == set()
    assert lab.scan() == {"b/new.png"}


def test_a_young_file_that_could_not_be_looked_at_is_tried_again(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write("b/new.png", at=TODAY + 1)
    for _ in range(3):
        lab.scan()
    with monkeypatch.context() as patch:
        broken = OSError(errno.EIO, "Input/output error")
        patch.setattr("reconciler.outputs.scan.os.lstat", _raising(broken))
        assert lab.scan() == set()
    assert lab.scan() == {"b/new.png"}


def _raising(error: OSError) -> Callable[[Path], os.stat_result]:
    def lstat(_: Path) -> os.stat_result:
        raise error

    return lstat


def test_an_older_open_job_has_everything_listed_once(lab: Laboratory) -> None:
    lab.write("a/yesterday.png", at=YESTERDAY)
    lab.calm()
    assert lab.scan(newer_than=YESTERDAY - 1) == {"a/yesterday.png"}
    assert len(lab.listed) == 4
    assert lab.scan(newer_than=YESTERDAY - 1) == {"a/yesterday.png"}
    assert lab.listed == []


def test_jobs_that_come_and_go_move_nothing_back(lab: Laboratory) -> None:
    lab.calm()
    for newer_than in (TODAY + 100, TODAY + 60, TODAY + 300, TODAY + 250):
        lab.scan(newer_than)
        assert lab.listed == []


def test_old_files_are_not_looked_at_one_by_one(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    monkeypatch.setattr(folders, "look_at", looks.append)
    lab.scan(whole=True)
    lab.scan()
    lab.scan()
    assert lab.listed == []
    assert looks == []


def test_other_storage_is_listed_as_if_for_the_first_time(lab: Laboratory) -> None:
    lab.calm()
    lab.root.rename(lab.root.with_name("away"))
    lab.write("a/other.png")
    lab.write("a/new.png", at=TODAY + 1)
    assert lab.scan() == {"a/new.png"}


@pytest.mark.parametrize(
    ("text", "sure_s"),
    [
        ("1 0 8:1 / / rw - ext4 /dev/sda rw", 3.0),
        ("1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /out/nas rw - nfs4 nas:/v rw", 90.0),
        ("1 0 8:1 / / rw - nfs4 nas:/v rw", 90.0),
        ("1 0 8:1 / / rw - cifs //nas/v rw", None),
        ("1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /out/x rw - fuse.sshfs host: rw", None),
        ("1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /other rw - vfat /dev/sdb rw", 3.0),
        ("", None),
    ],
)
def test_how_long_a_folders_times_are_doubted(
    text: str, sure_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "read_mounts", lambda: mounts.parse_mountinfo(text))
    assert mounts.folder_times_sure_s(Path("/out")) == sure_s
