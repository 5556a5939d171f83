"""The settings file is replaced at once or not at all; what is shown of it holds no secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reconciler.adopt.plan import without_password
from reconciler.adopt.secrets import masked
from reconciler.adopt.write import diff, read_file, write_file
from reconciler.errors import SettingsError


def accept(path: Path) -> None:
    """Nothing to say against it."""


def refuse(path: Path) -> None:
    assert path.read_text() == "new\n"
    raise SettingsError("no")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "reconciler.yaml"
    path.write_text("old\n")
    path.chmod(0o640)
    return path


def test_mode_and_owner_stay(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    before = path.stat()
    write_file(read_file(path), "new\n", accept)
    after = path.stat()
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert os.listdir(path.parent) == [path.name]


def test_a_new_file_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    write_file(read_file(path), "new\n", accept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    write_file(read_file(link), "new\n", accept)
    assert link.is_symlink()
    assert path.read_text() == "new\n"


def test_a_file_that_is_refused_leaves_the_old_one(path: Path) -> None:
    with pytest.raises(SettingsError):
        write_file(read_file(path), "new\n", refuse)
    assert path.read_text() == "old\n"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("was_there", [True, False])
def test_what_somebody_wrote_meanwhile_stays(path: Path, was_there: bool) -> None:
    if not was_there:
        path.unlink()
    file = read_file(path)
    path.write_text("theirs\n")
    with pytest.raises(SettingsError, match="was changed meanwhile"):
        write_file(file, "new\n", accept)
    assert path.read_text() == "theirs\n"


def test_what_cannot_be_written_is_said(path: Path, tmp_path: Path) -> None:
    for wrong in (Path("/dev/null"), tmp_path):
        with pytest.raises(SettingsError, match="no file that can be written"):
            read_file(wrong)
    with pytest.raises(SettingsError, match="cannot be written"):
        write_file(read_file(tmp_path / "no" / "folder.yaml"), "new\n", accept)


def test_a_diff_names_the_file(path: Path) -> None:
    assert diff(read_file(path), "new\n").splitlines()[-2:] == ["-old", "+new"]


SECRET = "s3cr3t,w0rd"
TEXTS = [
    f"database: {{url: 'postgresql://app:{SECRET}@db/prod'}}",
    f"database:\n  url: host=db password='{SECRET}' user=app",
    f"database: {{url: 'postgresql://db/prod?user=a&password={SECRET}&sslmode=require'}}",
    f"servers: [{{url: 'http://x', token: '{SECRET}'}}]",
    f"servers:\n  - url: http://x\n    headers: {{X-Key: '{SECRET}'}}",
    f"servers: [{{url: 'http://me:{SECRET}@x:8188/'}}]",
    f"database:\n  url: postgresql://app:it's{SECRET}@db/prod",
    f"database: {{url: 'postgresql://app:it''s{SECRET}@db/prod'}}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_secret_is_shown(text: str) -> None:
    shown = masked(f"+{text}", text)
    assert SECRET not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("postgresql://app@db/prod", "postgresql://app@db/prod"),
        ("postgresql://app:secret@db:5433/prod", "postgresql://app@db:5433/prod"),
        ("postgresql://app:se%40cret@db/prod?sslmode=require",) * 1
        + ("postgresql://app@db/prod?sslmode=require",),
        ("host=db user=app password='a secret'", "user=app host=db"),
        ("postgresql://db/prod?user=app&password=secret", "user=app dbname=prod host=db"),
    ],
)
def test_an_address_is_written_without_its_password(url: str, kept: str) -> None:
    text, reason = without_password(url)
    assert text == kept
    assert ("without the password" in reason) == (url != kept)
