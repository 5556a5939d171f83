"""Names from outside stay inside the output directory; what is no plain file is not opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import OutputError, OutsideOutput
from reconciler.outputs.inspect import inspect
from reconciler.outputs.paths import resolve_inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "output" / "sub").mkdir(parents=True)
    (tmp_path / "output" / "sub" / "a.mp4").write_bytes(b"x")
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "output"


@pytest.mark.parametrize(
    "name", ["sub/a.mp4", "not there.png", "sub/./a.mp4", "..a", "a\udcff.png"]
)
def test_a_name_inside_is_resolved(root: Path, name: str) -> None:
    assert resolve_inside(root, name) == root / os.path.normpath(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "is absolute"),
        ("../secret", "contains '..'"),
        ("sub/../../secret", "contains '..'"),
        ("a\0b", "cannot be the name"),
        ("", "cannot be the name"),
        (".", "is no file inside"),
        ("\ud800.png", "cannot be followed"),
        ("out", "leads to"),
        ("out/secret", "leads to"),
        ("loop", "cannot be followed"),
        ("ladder", "leads to"),
    ],
)
def test_a_name_that_leaves_is_refused_with_the_reason(root: Path, name: str, reason: str) -> None:
    (root / "out").symlink_to(root.parent)
    (root / "loop").symlink_to(root / "loop")
    (root / "ladder").symlink_to("../secret")
    with pytest.raises(OutsideOutput, match=reason):
        resolve_inside(root, name)


def test_a_link_that_stays_inside_leads_to_its_target(root: Path) -> None:
    (root / "link.mp4").symlink_to("sub/a.mp4")
    assert resolve_inside(root, "link.mp4") == root / "sub" / "a.mp4"


def test_the_output_directory_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(root)
    assert resolve_inside(tmp_path / "linked", "sub/a.mp4") == tmp_path / "linked" / "sub" / "a.mp4"


def test_a_message_shows_a_hostile_name_harmlessly(root: Path) -> None:
    with pytest.raises(OutsideOutput) as caught:
        resolve_inside(root, "/\x1b[2J\n" + "x" * 5000)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_is_no_plain_file_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe.mp4")
    (root / "link.mp4").symlink_to("sub/a.mp4")
    cases = {
        "sub": "no regular file",
        "pipe.mp4": "no regular file",
        "link.mp4": "symbolic link",
        "gone.mp4": "No such file",
    }
    for name, reason in cases.items():
        with pytest.raises(OutputError, match=reason):
            inspect(root / name)


@pytest.mark.parametrize("name", ["a\0b.mp4", "x" * 300 + ".mp4", "\ud800.mp4"])
def test_a_name_no_file_can_have_is_an_output_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        inspect(tmp_path / name)
