"""When the files of a watched folder are checked, by a clock of the tests'."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import pytest

from reconciler.cli.check.listing import Listing
from reconciler.cli.check.watching import Folders, require_folders
from reconciler.errors import OutputError
from reconciler.outputs.change import Change

SETTLE_S, RESCAN_S = 1.0, 60.0


class Watched:
    """A folder, and what is given out at a time."""

    def __init__(self, root: Path, *, recursive: bool = False) -> None:
        self.root = root
        listing = Listing([root], recursive)
        self.folders = Folders(listing, settle_s=SETTLE_S, rescan_s=RESCAN_S)

    def write(self, name: str, text: str = "x") -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def hear(self, name: str, *, closed: bool = True) -> None:
        self.folders.hear(Change(self.root / name, closed))

    def at(self, now_s: float, running: Collection[Path] = ()) -> list[str]:
        return [path.name for path in self.folders.settled(now_s, running)]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_is_there_already_is_given_once(watched: Watched) -> None:
    watched.write("b.gif")
    watched.write("a.gif")
    assert watched.at(0.0) == []
    assert watched.folders.wait_s(0.0) == SETTLE_S
    assert watched.at(1.0) == ["a.gif", "b.gif"]
    assert watched.at(2.0) == watched.at(RESCAN_S) == watched.at(2 * RESCAN_S) == []


def test_what_is_there_can_be_passed_over(watched: Watched) -> None:
    watched.write("old.gif")
    watched.folders.pass_over()
    watched.write("new.gif")
    assert watched.at(0.0) + watched.at(1.0) == ["new.gif"]
    watched.write("old.gif", "changed")
    watched.hear("old.gif")
    assert watched.at(2.0) == ["old.gif"]


def test_a_closed_file_is_given_at_once_and_again_when_it_changed(watched: Watched) -> None:
    assert watched.at(0.0) == []
    watched.write("a.gif")
    watched.hear("a.gif")
    assert watched.at(0.1) == ["a.gif"]
    watched.hear("a.gif")
    assert watched.at(0.2) == []
    watched.write("a.gif", "longer")
    watched.hear("a.gif")
    assert watched.at(0.3) == ["a.gif"]


def test_a_growing_file_waits_until_it_is_quiet(watched: Watched) -> None:
    watched.at(0.0)
    for step in range(5):
        watched.write("a.gif", "x" * (step + 1))
        watched.hear("a.gif", closed=False)
        assert watched.at(float(step) / 2) == []
    assert watched.at(2.9) == []
    assert watched.folders.wait_s(2.9) == pytest.approx(0.1)
    assert watched.at(3.1) == ["a.gif"]


def test_a_file_that_changes_while_it_is_checked_is_checked_again(watched: Watched) -> None:
    path = watched.write("a.gif")
    watched.at(0.0)
    assert watched.at(1.0) == ["a.gif"]
    assert watched.folders.stands(path)
    watched.write("a.gif", "longer")
    watched.hear("a.gif")
    assert watched.at(1.1, running={path}) == []
    assert not watched.folders.stands(path)
    assert watched.at(1.2) == ["a.gif"]
    path.unlink()
    assert not watched.folders.stands(path)
    assert watched.at(5.0) == []


def test_lost_events_make_it_list_everything(watched: Watched) -> None:
    watched.at(0.0)
    watched.write("unheard.gif")
    assert watched.at(5.0) == []
    watched.folders.lost()
    assert watched.folders.wait_s(5.0) < 1.0
    assert watched.at(5.0) + watched.at(6.0) == ["unheard.gif"]


def test_subfolders_only_where_they_are_asked_for(tmp_path: Path) -> None:
    for recursive in (False, True):
        watched = Watched(tmp_path, recursive=recursive)
        watched.write("inner/a.gif")
        watched.hear("inner/a.gif")
        watched.folders.hear(Change(tmp_path / "m.json", closed=True, manifest=True))
        assert watched.at(0.0) == (["a.gif"] if recursive else [])


def test_files_that_are_gone_are_forgotten(watched: Watched) -> None:
    paths = [watched.write(f"{number}.gif") for number in range(5)]
    watched.at(0.0)
    assert len(watched.at(1.0)) == 5
    for path in paths:
        path.unlink()
    assert watched.at(RESCAN_S) == []
    assert not watched.folders._given


def test_only_folders_can_be_watched(tmp_path: Path) -> None:
    require_folders([tmp_path])
    for name in ("none", "a.gif"):
        if name == "a.gif":
            (tmp_path / name).touch()
        with pytest.raises(OutputError, match=f"{name} is no folder"):
            require_folders([tmp_path, tmp_path / name])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError):
        require_folders([tmp_path / "pipe"])
