"""What is told of files."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.inbox import EVERYTHING, Inbox
from reconciler.outputs.rescans import Rescans
from reconciler.outputs.watch import Change, OutputWatch
from tests.integration.watch.watching import Heard, Kind, watching


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
    assert len(Rescans(root).scan().files) == 2000


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
    assert Rescans(root).scan().files == ()
