"""Folders that are new, and links to folders."""

from __future__ import annotations

from pathlib import Path

from tests.integration.watch.watching import Heard, Kind, watching


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
