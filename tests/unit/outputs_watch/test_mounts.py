"""Which storage is it, and does inotify see all of it: from the text of /proc/self/mountinfo."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace as replaced
from pathlib import Path

import pytest

from reconciler.errors import OutputError
from reconciler.outputs import mounts
from reconciler.outputs.mounts import (
    Mount,
    blind_spot,
    identify,
    is_same_place,
    mount_of,
    parse_mountinfo,
    storage_marker,
    unusable,
)

WORKSTATION = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
40 27 8:17 / /data rw,noatime shared:5 master:1 - xfs /dev/sdb1 rw
41 27 0:50 / /mnt/nas rw,relatime shared:7 - nfs4 nas:/volume1/video rw,vers=4.2,addr=10.0.0.2
42 27 0:51 /sub /data/remote rw - cifs //box/share rw
43 27 0:52 / /home/me/cloud rw,nosuid - fuse.rclone remote:bucket rw,user_id=1000
44 27 8:33 / /media/usb rw - fuseblk /dev/sdc1 rw
"""

WSL = """\
60 1 8:48 / / rw,relatime - ext4 /dev/sdd rw
90 60 0:75 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs;path=C:\\;uid=1000
91 60 0:76 / /mnt/my\\040drive rw - drvfs D:\\134 rw
"""


def kinds(text: str, path: str) -> str | None:
    return blind_spot(path, parse_mountinfo(text))


def test_a_line_is_read_with_any_number_of_optional_fields() -> None:
    read = parse_mountinfo(WORKSTATION)
    assert read[1] == Mount("/", "ext4", "/dev/nvme0n1p2")
    assert read[2] == Mount("/data", "xfs", "/dev/sdb1")
    assert read[4] == Mount("/data/remote", "cifs", "//box/share", "/sub")
    assert len(read) == 7


@pytest.mark.parametrize(
    "line", ["", "garbage", "1 2 3 4 5 6", "22 27 0:21 / /x rw -", "22 27 0:21 / /x rw - ext4"]
)
def test_a_line_that_is_not_understood_is_left_out(line: str) -> None:
    good = "27 1 259:2 / / rw - ext4 /dev/sda rw"
    assert parse_mountinfo(f"{line}\n{good}\n") == (Mount("/", "ext4", "/dev/sda"),)


def test_names_are_unescaped_and_no_other_character_ends_a_line() -> None:
    (read,) = parse_mountinfo("1 0 8:1 / /my\\040out\\012put\x85\u2028\udcff rw - ext4 /dev/s rw")
    assert read.mount_point == "/my out\nput\x85\u2028\udcff"


@pytest.mark.parametrize(
    ("path", "mount_point"),
    [
        ("/srv/output", "/"),
        ("/data", "/data"),
        ("/data/output", "/data"),
        ("/data2/output", "/"),
        ("/data/remote/x", "/data/remote"),
        ("/mnt/nas/comfy", "/mnt/nas"),
    ],
)
def test_the_deepest_mount_holds_the_path(path: str, mount_point: str) -> None:
    found = mount_of(path, parse_mountinfo(WORKSTATION))
    assert found is not None
    assert found.mount_point == mount_point


def test_of_several_mounts_on_one_point_the_last_covers_the_others() -> None:
    stacked = (Mount("/", "ext4", "a"), Mount("/nas", "autofs", "b"), Mount("/nas", "nfs4", "c"))
    assert mount_of("/nas/out", stacked) == stacked[2]
    assert mount_of("/nas/out", ()) is None


@pytest.mark.parametrize(
    ("text", "path", "type_named"),
    [
        (WORKSTATION, "/srv/output", None),
        (WORKSTATION, "/data/output", None),
        (WORKSTATION, "/media/usb/out", None),
        (WORKSTATION, "/mnt/nas", "nfs4"),
        (WORKSTATION, "/home/me/cloud/out", "fuse.rclone"),
        # A local folder with a share somewhere below it.
        (WORKSTATION, "/data", "cifs"),
        (WSL, "/home/me/ComfyUI/output", None),
        (WSL, "/mnt/c/ComfyUI/output", "9p"),
        (WSL, "/mnt/my drive", "drvfs"),
        ("", "/anywhere", None),
    ],
)
def test_where_inotify_is_blind_is_said_in_words(
    text: str, path: str, type_named: str | None
) -> None:
    said = kinds(text, path)
    if type_named is None:
        assert said is None
    else:
        assert said is not None
        assert f"type {type_named}:" in said
        assert "inotify does not see" in said


@pytest.mark.parametrize("fs_type", ["fuse", "fuse.sshfs", "virtiofs", "ceph", "nfs", "smb3"])
def test_shared_file_systems(fs_type: str) -> None:
    assert Mount("/x", fs_type, "s").is_shared


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk"])
def test_local_file_systems(fs_type: str) -> None:
    assert not Mount("/x", fs_type, "s").is_shared


def test_the_mounts_of_this_machine_are_read() -> None:
    assert mount_of("/", mounts.read_mounts()) is not None


def test_without_proc_there_are_no_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_MOUNTINFO", tmp_path / "missing")
    assert mounts.read_mounts() == ()
    assert identify(tmp_path) == identify(tmp_path)


Pretend = Callable[..., None]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Let the process believe in these mounts."""

    def believe(*found: Mount) -> None:
        monkeypatch.setattr(mounts, "read_mounts", lambda: found)

    return believe


def replace(folder: Path) -> None:
    """Another directory under the name; both exist, so that no inode is used again."""
    folder.rename(folder.with_name("moved away"))
    folder.mkdir()


def test_the_marker_stays_while_files_come_and_go(tmp_path: Path) -> None:
    before = storage_marker(tmp_path)
    (tmp_path / "a.png").touch()
    (tmp_path / "sub").mkdir()
    assert before is not None
    assert storage_marker(tmp_path) == before


def test_the_marker_is_the_same_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert storage_marker(tmp_path / "link") == storage_marker(tmp_path / "real")


def test_a_replaced_directory_has_another_marker(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    before = storage_marker(output)
    replace(output)
    assert storage_marker(output) != before


def test_an_unmounted_directory_has_another_marker(tmp_path: Path, pretend: Pretend) -> None:
    pretend(Mount("/", "ext4", "/dev/sda"), Mount(os.path.realpath(tmp_path), "nfs4", "nas:/v"))
    mounted = storage_marker(tmp_path)
    pretend(Mount("/", "ext4", "/dev/sda"))
    assert storage_marker(tmp_path) != mounted


def test_on_a_share_an_invented_inode_changes_nothing(tmp_path: Path, pretend: Pretend) -> None:
    pretend(Mount("/", "fuse.sshfs", "host:/v"))
    output = tmp_path / "output"
    output.mkdir()
    before = storage_marker(output)
    replace(output)
    assert storage_marker(output) == before
    assert storage_marker(tmp_path) != before


@pytest.mark.parametrize(("fs_type", "source"), [("ext4", "/dev/sda"), ("nfs4", "nas:/volume")])
def test_a_bind_mount_of_the_same_directory_is_the_same_storage(
    tmp_path: Path, pretend: Pretend, fs_type: str, source: str
) -> None:
    """A systemd unit with ReadWritePaths= sees one, a shell does not."""
    real = os.path.realpath(tmp_path)
    pretend(Mount("/", fs_type, source))
    plain = storage_marker(tmp_path)
    pretend(Mount("/", fs_type, source), Mount(real, fs_type, source, root=real))
    assert storage_marker(tmp_path) == plain


def test_a_missing_directory_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"missing.*No such file.*mount its storage"):
        identify(tmp_path / "missing")
    assert storage_marker(tmp_path / "missing") is None


def test_a_file_in_its_place_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Not a directory.*ComfyUI writes to"):
        identify(tmp_path / "file")


def test_a_forbidden_directory_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(mounts.os, "stat", refuse)
    with pytest.raises(OutputError, match=r"Permission denied.*r-x"):
        identify(tmp_path)


def test_words_escape_what_is_no_text() -> None:
    said = unusable(Path("/out/\udcff\x1b[31m\n"), OSError(errno.EIO, "Input/output error"))
    assert said.isprintable()
    assert said.endswith("see whether its storage is connected and healthy")


def test_a_directory_made_anew_lies_in_the_same_place(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    before = identify(output)
    replace(output)
    assert is_same_place(before, identify(output))
    assert not is_same_place(before, identify(tmp_path))


@pytest.mark.parametrize(
    "covering",
    [
        Mount("{}", "tmpfs", "tmpfs"),
        Mount("{}", "nfs4", "nas:/v"),
        Mount("{}", "ext4", "/dev/sdb"),
        Mount("{}", "ext4", "/dev/sda", root="/elsewhere"),
    ],
)
def test_an_unmounted_directory_lies_in_another_place(
    tmp_path: Path, pretend: Pretend, covering: Mount
) -> None:
    below = Mount("/", "ext4", "/dev/sda")
    pretend(below, replaced(covering, mount_point=os.path.realpath(tmp_path)))
    mounted = identify(tmp_path)
    pretend(below)
    assert not is_same_place(mounted, identify(tmp_path))


def test_a_marker_of_an_earlier_version_has_no_place() -> None:
    assert not is_same_place("0123456789abcdef", "0123456789abcdef")
