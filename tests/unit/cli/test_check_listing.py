"""Which files a folder means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.cli.check.listing import Listing, is_media


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a.PNG", "z/2.ts", "z/1.webm", "c/d/e.wav", "c/x.json", ".h/i.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c" / "up").symlink_to(tmp_path)
    (tmp_path / "link.mp4").symlink_to(tmp_path / "b.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    return tmp_path


def relative(listing: Listing, root: Path) -> list[str]:
    return [os.fspath(path.relative_to(root)) for path in listing.files()]


def test_a_folder_means_what_is_directly_in_it(tree: Path) -> None:
    listing = Listing([tree], recursive=False)
    assert relative(listing, tree) == ["a.PNG", "b.mp4"]
    assert (listing.others, listing.links, listing.subfolders) == (1, 1, 2)
    assert listing.passed_over() == (
        "1 other file skipped: no media by their names; 1 symbolic link not followed; "
        "2 subfolders not looked into: --recursive does"
    )


def test_recursive_means_all_below_each_folder_in_its_order(tree: Path) -> None:
    listing = Listing([tree], recursive=True)
    assert relative(listing, tree) == ["a.PNG", "b.mp4", "c/d/e.wav", "z/1.webm", "z/2.ts"]
    assert (listing.others, listing.links, listing.subfolders) == (2, 2, 0)
    assert relative(listing, tree)[0] == "a.PNG"
    assert listing.links == 2  # counted anew


def test_what_is_named_is_given_as_it_is(tree: Path) -> None:
    named = [tree / "c" / "x.json", tree / "link.mp4", tree / "none", tree / ".h" / "i.mp4"]
    listing = Listing(named, recursive=True)
    assert list(listing.files()) == named
    assert listing.passed_over() == ""
    assert not listing.folders


def test_a_link_that_is_named_is_followed_to_its_folder(tree: Path) -> None:
    (tree / "outputs").symlink_to(tree / "z")
    listing = Listing([tree / "outputs"], recursive=False)
    assert relative(listing, tree) == ["outputs/1.webm", "outputs/2.ts"]
    assert listing.folders


def test_a_folder_that_cannot_be_listed_is_given_itself(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "c":
            raise PermissionError(13, "Permission denied")
        if path.name == "z":
            raise FileNotFoundError(2, "deleted meanwhile")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert relative(Listing([tree], recursive=True), tree) == ["a.PNG", "b.mp4", "c"]


def test_folders_may_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = 1200
    monkeypatch.chdir(tmp_path)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("x.gif").touch()
    try:
        (found,) = Listing([tmp_path], recursive=True).files()
        assert found == tmp_path.joinpath(*["d"] * depth, "x.gif")
    finally:
        # Here, and not by pytest: deeper than Python's recursion is deeper than its rmtree.
        os.unlink("x.gif")
        for _ in range(depth):
            os.chdir("..")
            os.rmdir("d")


@pytest.mark.parametrize("name", ["a.mp4", "a.b.MKV", "a.ts", "a.avif", "a.exr", "\udcff.opus"])
def test_media_by_their_names(name: str) -> None:
    assert is_media(name)


@pytest.mark.parametrize("name", ["mp4", "a.mp4.part", "a.", "a", "a.json", "a.mp4~"])
def test_other_names(name: str) -> None:
    assert not is_media(name)
