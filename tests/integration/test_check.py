"""`reconciler check`: the real console script over real files."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.integration.commands import HOSTILE, fits, is_plain, joined, reconciler, start
from tests.waiting import wait_for


def gif(path: Path, frames: int = 5) -> Path:
    pictures = [Image.new("RGB", (32, 32), (40 * i, 0, 0)) for i in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    return path


def cut(path: Path) -> Path:
    path.write_bytes(gif(path).read_bytes()[:-40])
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sound files, a damaged one, and much that is none to check."""
    gif(tmp_path / "b.gif")
    gif(tmp_path / "a.gif")
    cut(tmp_path / "c.gif")
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / ".hidden.gif").write_text("none")
    (tmp_path / ".reconciler").mkdir()
    cut(tmp_path / ".reconciler" / "x.gif")
    (tmp_path / "link.gif").symlink_to(tmp_path / "c.gif")
    inner = tmp_path / "inner"
    inner.mkdir()
    cut(inner / "d.gif")
    (inner / "up").symlink_to(tmp_path)
    return tmp_path


def names(done: str) -> list[str]:
    return [os.path.basename(one["path"]) for one in json.loads(done)]


def test_a_line_for_each_file(tmp_path: Path) -> None:
    whole = reconciler("check", gif(tmp_path / "sound.gif"))
    assert (whole.returncode, whole.stderr) == (0, "")
    header, line, *_ = whole.stdout.splitlines()  # a long name goes on below
    assert header.split() == ["verdict", "frames", "file"]
    assert line.split()[:2] == ["sound", "5"]
    several = reconciler("check", tmp_path / "sound.gif", cut(tmp_path / "cut.gif"))
    assert several.returncode == 1
    assert "UNSOUND" in several.stdout
    assert several.stdout.splitlines()[-1].startswith("2 files: 1 sound, 1 unsound in ")
    assert fits(several.stdout)


def test_what_cannot_be_read_outranks_what_is_unsound(tmp_path: Path) -> None:
    done = reconciler("check", cut(tmp_path / "cut.gif"), tmp_path / "none.gif")
    assert done.returncode == 2
    assert "UNREADABLE" in done.stdout
    assert "cannot be opened: No such file or directory" in joined(done.stdout)
    assert "1 unsound, 1 unreadable" in done.stdout


def test_json(tmp_path: Path) -> None:
    sound = gif(tmp_path / "sound.gif")
    done = reconciler("check", sound, tmp_path / "none.gif", "--frames", "6", "--json")
    assert done.returncode == 2
    first, second = json.loads(done.stdout)
    assert first == {
        "path": os.fspath(sound),
        "verdict": "unsound",
        "sound": False,
        "media": "video",
        "frames": 5,
        "expected_frames": 6,
        "fps": 10.0,
        "duration_s": 0.5,
        "width": 32,
        "height": 32,
        "codec": "gif",
        "container": "gif",
        "has_audio": first["has_audio"],
        "size_bytes": sound.stat().st_size,
        "defects": [
            {"kind": "frames", "detail": "5 of 6 frames", "offset": None, "at_s": None},
        ],
        "warnings": [],
        "unjudged": None,
    }
    assert (second["verdict"], second["defects"][0]["kind"]) == ("unreadable", "unreadable")
    assert second.keys() == first.keys()


def test_expectations(tmp_path: Path) -> None:
    sound = gif(tmp_path / "sound.gif")
    assert reconciler("check", sound, "--frames", "6", "--tolerance", "1").returncode == 0
    assert reconciler("check", sound, "--frames", "7", "--tolerance", "1").returncode == 1
    for wrong in (("--tolerance", "1"), ("--size", "1280"), ("--new",), ("--jobs", "0")):
        done = reconciler("check", sound, *wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert wrong[0].strip("-") in done.stderr


def test_the_files_of_a_folder(folder: Path) -> None:
    done = reconciler("check", folder, "--json")
    assert done.returncode == 1
    assert names(done.stdout) == ["a.gif", "b.gif", "c.gif"]
    assert "1 other file skipped" in done.stderr
    assert "1 symbolic link not followed" in joined(done.stderr)
    assert "1 subfolder not looked into: --recursive does" in joined(done.stderr)
    below = reconciler("check", "-r", folder, "--json")
    assert names(below.stdout) == ["a.gif", "b.gif", "c.gif", "d.gif"]


def test_nothing_to_check_is_no_success(tmp_path: Path) -> None:
    done = reconciler("check", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to check" in done.stderr
    assert json.loads(reconciler("check", tmp_path, "--json").stdout) == []


def test_of_many_files_only_what_is_wrong_is_shown(folder: Path) -> None:
    for number in range(30):
        os.link(folder / "a.gif", folder / f"extra{number:02}.gif")
    done = reconciler("check", folder, "--jobs", "2")
    assert done.stdout.count("UNSOUND") == 1
    assert "extra" not in done.stdout
    assert "33 files: 32 sound, 1 unsound in" in done.stdout
    assert reconciler("check", folder, "--all").stdout.count("extra") == 30


def test_hostile_names_are_shown_plain(tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "|").encode() + b"\xff\x80.gif"
    path = os.fsencode(tmp_path) + b"/" + name
    gif(tmp_path / "a.gif", 1).rename(Path(os.fsdecode(path)))
    done = reconciler("check", path)
    assert done.returncode == 0, done.stderr
    assert is_plain(done.stdout)
    assert fits(done.stdout)
    assert "[red]bad[|red][|]:boom:" in "".join(done.stdout.split())
    (told,) = json.loads(reconciler("check", tmp_path, "--json").stdout)
    assert os.fsencode(told["path"]) == path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_tells_what_is_done(tmp_path: Path, number: int, code: int) -> None:
    gif(tmp_path / "a.gif")
    for count in range(2000):
        os.link(tmp_path / "a.gif", tmp_path / f"many{count:04}.gif")
    process = start("check", tmp_path, "--json", "--jobs", "1")
    assert process.stdout is not None and process.stderr is not None
    with process:
        begun = process.stdout.readline() + process.stdout.readline()
        process.send_signal(number)
        rest, said = process.stdout.read(), process.stderr.read()
    assert process.returncode == code
    told = json.loads(begun + rest)
    assert 1 <= len(told) < 2001
    assert "interrupted" in said


def test_a_watched_folder(folder: Path) -> None:
    process = start(
        "check", folder, "--watch", "--new", "--json", RECONCILER_OUTPUTS__SETTLE_S="0.1"
    )
    assert process.stdout is not None and process.stderr is not None
    with process:
        assert "Watching" in process.stderr.readline()
        cut(folder / "late.gif")
        first = json.loads(process.stdout.readline())
        gif(folder / "late.gif", 7)
        second = json.loads(process.stdout.readline())
        cut(folder / "inner" / "ignored.gif")
        gif(folder / "last.gif")
        third = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert [os.path.basename(one["path"]) for one in (first, second, third)] == [
        "late.gif",
        "late.gif",
        "last.gif",
    ]
    assert (first["verdict"], second["verdict"], second["frames"]) == ("unsound", "sound", 7)
    assert rest == ""
    assert process.returncode == 0  # what they were at last


def test_a_watch_begins_with_what_is_there(folder: Path) -> None:
    process = start("check", "-r", folder, "--watch", RECONCILER_OUTPUTS__SETTLE_S="0.1")
    assert process.stdout is not None
    told: list[str] = []

    def all_told() -> bool:
        told.append(process.stdout.readline())
        return sum(line.lower().startswith(("sound ", "unsound ")) for line in told) == 4

    with process:
        wait_for(all_told, "a line for each file")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert rest.splitlines()[-1].startswith("4 files: 2 sound, 2 unsound in ")
    assert fits("".join(told) + rest)


def test_only_folders_are_watched(folder: Path) -> None:
    done = reconciler("check", folder / "a.gif", "--watch")
    assert done.returncode == 2
    assert "is no folder" in joined(done.stderr)
