"""The listing of an output directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs import folders
from reconciler.outputs import scan as scan_module
from reconciler.outputs.rescans import Rescans
from reconciler.outputs.scan import Scan, is_wanted, look_at

Visible = Callable[[str], Iterator["os.DirEntry[str]"]]


def scan(root: Path, newer_than: float = 0.0) -> Scan:
    return Rescans(root).scan(newer_than)


def names(root: Path, **options: float) -> set[str]:
    return {os.fspath(fact.path.relative_to(root)) for fact in scan(root, **options).files}


def put(path: Path, content: bytes = b"x", mtime_s: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mtime_s is not None:
        os.utime(path, (mtime_s, mtime_s))
    return path


def test_it_finds_media_files_at_any_depth_with_their_facts(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    video = put(tmp_path / "2026" / "08" / "b_00001_.MP4", b"12345")
    found = scan(tmp_path)
    (fact,) = [fact for fact in found.files if fact.path == video]
    status = video.stat()
    assert (fact.size_bytes, fact.mtime_ns, fact.inode) == (5, status.st_mtime_ns, status.st_ino)
    assert len(found.files) == 2
    assert found.problems == ()


@pytest.mark.parametrize(
    ("relative", "wanted"),
    [
        ("a.png", True),
        ("a.JPEG", True),
        ("deep/er/a b_00001-audio.mp4", True),
        ("v1.2/x.webm", True),
        (".hidden.png", False),
        (".reconciler/x.png", False),
        ("sub/.trash/x.png", False),
        ("a.json", False),
        ("a.mp4.tmp", False),
        ("png", False),
        (".png", False),
        ("", False),
    ],
)
def test_what_is_wanted_is_told_by_the_name(relative: str, wanted: bool) -> None:
    assert is_wanted(relative) is wanted


def test_hidden_things_and_other_files_are_left_out(tmp_path: Path) -> None:
    put(tmp_path / ".reconciler" / "thumb.png")
    put(tmp_path / "sub" / ".x.png")
    put(tmp_path / "prompt.json")
    put(tmp_path / "seen.gif")
    assert names(tmp_path) == {"seen.gif"}


def test_newer_than_is_inclusive(tmp_path: Path) -> None:
    put(tmp_path / "old.png", mtime_s=1_000)
    put(tmp_path / "same.png", mtime_s=2_000)
    put(tmp_path / "new.png", mtime_s=3_000)
    assert names(tmp_path, newer_than=2_000.0) == {"same.png", "new.png"}


def test_links_are_not_followed_and_loops_end(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "secret.png")
    root = tmp_path / "root"
    put(root / "sub" / "a.png")
    (root / "sub" / "loop").symlink_to(root)
    (root / "sub" / "other.loop").symlink_to("..")
    (root / "out").symlink_to(outside.parent)
    (root / "link.png").symlink_to(outside)
    (root / "dangling.png").symlink_to("nowhere")
    assert names(root) == {"sub/a.png"}


def test_a_root_that_is_a_link_is_followed_and_keeps_its_name(tmp_path: Path) -> None:
    put(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to("real")
    assert [fact.path for fact in scan(tmp_path / "link").files] == [tmp_path / "link" / "a.png"]


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9\n.png"
    with open(raw, "wb"):
        pass
    (fact,) = scan(tmp_path).files
    assert os.fsencode(fact.path) == raw
    assert look_at(fact.path) == fact


def test_what_only_looks_like_a_media_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    put(tmp_path / "folder.png" / "inside.png")
    assert names(tmp_path) == {"folder.png/inside.png"}


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="mount its storage"):
        scan(tmp_path / "missing")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, OSError], None]:
    """Let the listing of one folder fail; root's powers know no unreadable folder."""
    real: Visible = folders.visible

    def break_folder(folder: Path, error: OSError) -> None:
        def listing(name: str) -> Iterator[os.DirEntry[str]]:
            if name == os.fspath(folder):
                raise error
            return real(name)

        monkeypatch.setattr(folders, "visible", listing)

    return break_folder


def test_an_unreadable_folder_is_a_problem_and_the_rest_is_listed(
    tmp_path: Path, broken: Callable[[Path, OSError], None]
) -> None:
    put(tmp_path / "locked" / "a.png")
    put(tmp_path / "open" / "b.png")
    broken(tmp_path / "locked", PermissionError(errno.EACCES, "Permission denied"))
    found = scan(tmp_path)
    assert [fact.path.name for fact in found.files] == ["b.png"]
    (problem,) = found.problems
    assert "locked" in problem
    assert "r-x" in problem


def test_a_root_that_cannot_be_listed_is_an_error(
    tmp_path: Path, broken: Callable[[Path, OSError], None]
) -> None:
    broken(tmp_path, OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OutputError, match="Input/output error"):
        scan(tmp_path)


def test_many_problems_are_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(25):
        (tmp_path / f"{number}").mkdir()
    real = folders.visible

    def listing(name: str) -> Iterator[os.DirEntry[str]]:
        if name != os.fspath(tmp_path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(name)

    monkeypatch.setattr(folders, "visible", listing)
    problems = scan(tmp_path).problems
    assert len(problems) == 21
    assert problems[-1] == "and 5 more that cannot be read"


class Entry:
    """A directory entry whose file gives trouble when it is looked at."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path, self.name, self.error = os.fspath(path), path.name, error

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        raise self.error


def test_files_that_vanish_are_skipped_and_broken_ones_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "whole.png")
    real = folders.visible

    def listing(name: str) -> Iterator[object]:
        yield Entry(tmp_path / "gone.png", FileNotFoundError(errno.ENOENT, "No such file"))
        yield Entry(tmp_path / "broken.png", OSError(errno.EIO, "Input/output error"))
        yield from real(name)

    monkeypatch.setattr(folders, "visible", listing)
    found = scan(tmp_path)
    assert [fact.path.name for fact in found.files] == ["whole.png"]
    (problem,) = found.problems
    assert "broken.png" in problem


def test_folders_that_vanish_are_skipped(
    tmp_path: Path, broken: Callable[[Path, OSError], None]
) -> None:
    (tmp_path / "going").mkdir()
    put(tmp_path / "a.png")
    broken(tmp_path / "going", FileNotFoundError(errno.ENOENT, "No such file or directory"))
    found = scan(tmp_path)
    assert len(found.files) == 1
    assert found.problems == ()


def test_a_listing_during_which_the_storage_changes_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unmounted in the middle, it would be a list of files that are all gone."""
    root = tmp_path / "root"
    put(root / "a.png")
    real = folders.visible

    def listing(name: str) -> Iterator[os.DirEntry[str]]:
        root.rename(tmp_path / "away")
        root.mkdir()
        return real(name)

    monkeypatch.setattr(folders, "visible", listing)
    with pytest.raises(OutputError, match="another directory than before"):
        scan(root)


def test_a_look_at_one_file(tmp_path: Path) -> None:
    video = put(tmp_path / "a.mp4", b"1")
    first = look_at(video)
    with video.open("ab") as growing:
        growing.write(b"2")
    second = look_at(video)
    assert first is not None
    assert second is not None
    assert (first.size_bytes, second.size_bytes) == (1, 2)
    assert second in scan(tmp_path).files


def test_a_look_at_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(put(tmp_path / "a.png"))
    assert look_at(tmp_path / "missing.png") is None
    assert look_at(tmp_path / "a.png" / "b.png") is None
    assert look_at(tmp_path / "link.png") is None
    assert look_at(tmp_path) is None


def test_a_look_that_fails_is_no_proof_of_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(_: Path) -> os.stat_result:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(scan_module.os, "lstat", stale)
    with pytest.raises(OutputError, match="Stale file handle"):
        look_at(tmp_path / "a.png")
