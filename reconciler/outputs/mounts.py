"""The storage of an output directory: which it is, and whether inotify sees all writes to it."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import OutputError

_MOUNTINFO = Path("/proc/self/mountinfo")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

#: Shared with other hosts, or with the host of this virtual machine, whose writes the local
#: kernel never sees: inotify(7), "Limitations and caveats". drvfs and 9p are Windows drives
#: under WSL, grpcfuse and fakeowner are Docker Desktop.
_SHARED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "drvfs"}
    | {"virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fakeowner"}
    | {"ceph", "glusterfs", "lustre", "gpfs", "beegfs", "wekafs", "orangefs", "pvfs2"}
    | {"afs", "coda", "gfs2", "ocfs2"}
)

#: Their folders' times change with each file that is added, removed or renamed. Not sure of FUSE,
#: SMB and FAT.
_KEEP_TIMES = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "tmpfs", "overlay"}
)
_NFS = frozenset({"nfs", "nfs4"})
#: How long two changes may set the same time, in seconds: one by the coarsest clock of a file
#: system, one by an NFS client, which remembers a folder's times for a minute (acdirmax).
_TICK_S = 3.0
_REMEMBERED_S = 90.0

_ADVICE = {
    errno.ENOENT: "create it, mount its storage, or correct the path in the settings",
    errno.ENOTDIR: "name the directory that ComfyUI writes to in the settings",
    errno.EACCES: "give the user of the reconciler read and search permission (r-x) on it",
    errno.EPERM: "give the user of the reconciler read and search permission (r-x) on it",
}


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo (proc(5)), as far as it is needed here."""

    mount_point: str
    fs_type: str
    #: Device, share or dataset, as the file system names it.
    source: str
    #: The directory of the file system that is mounted here: "/", or more for a bind mount.
    root: str = "/"

    @property
    def is_shared(self) -> bool:
        """True where others may write without inotify noticing. Every FUSE mount counts
        (sshfs, rclone, gcsfuse, ...) except fuseblk, which is a local disk."""
        return self.fs_type in _SHARED or self.fs_type.split(".")[0] == "fuse"


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Read the text of /proc/self/mountinfo; lines that are not understood are left out."""
    return tuple(mount for line in text.split("\n") if (mount := _parse_line(line)))


def _parse_line(line: str) -> Mount | None:
    # 36 35 98:0 /root /mount/point rw,noatime [optional fields ...] - ext3 /dev/root rw
    fields = [_unescaped(field) for field in line.split(" ")]
    try:
        dash = fields.index("-", 6)
        return Mount(fields[4], fields[dash + 1], fields[dash + 2], fields[3])
    except (ValueError, IndexError):
        return None


def _unescaped(field: str) -> str:
    """Space, tab, newline, # and backslash stand as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), field)


def read_mounts() -> tuple[Mount, ...]:
    """The mounts of this process; empty where there is no /proc."""
    try:
        return parse_mountinfo(os.fsdecode(_MOUNTINFO.read_bytes()))
    except OSError:
        return ()


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that `path` (absolute, links resolved) lies on.

    The deepest mount point wins, and of several on one point the last: it covers the others.
    """
    holding = [mount for mount in mounts if _lies_in(path, mount.mount_point)]
    deepest = max((len(mount.mount_point) for mount in holding), default=0)
    return next((m for m in reversed(holding) if len(m.mount_point) == deepest), None)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def blind_spot(path: str, mounts: Sequence[Mount]) -> str | None:
    """Why inotify would miss writes at or below `path` (absolute, links resolved), in words;
    None where it sees them all."""
    below = [m for m in mounts if m.mount_point != path and _lies_in(m.mount_point, path)]
    for mount in (mount_of(path, mounts), *below):
        if mount is not None and mount.is_shared:
            where = f"{mount.mount_point!r} is a file system of type {mount.fs_type}"
            return f"{where}: inotify does not see what is written there from elsewhere"
    return None


def folder_times_sure_s(root: Path) -> float | None:
    """How long a folder at or below `root` must show the same times until these prove that
    nothing was added to it or taken from it; None where they prove nothing."""
    path, mounts = os.path.realpath(root), read_mounts()
    below = (mount for mount in mounts if _lies_in(mount.mount_point, path))
    kinds = {mount.fs_type for mount in (mount_of(path, mounts), *below) if mount is not None}
    if not kinds or not kinds <= _KEEP_TIMES | _NFS:
        return None
    return _REMEMBERED_S if kinds & _NFS else _TICK_S


def identify(root: Path) -> str:
    """Identity of the storage behind `root`: equal as long as it is the same directory on the
    same storage, also after a restart. An unmounted directory is an empty one; this tells.

    The device's number is not part of it: numbers are dealt anew at each boot for NVMe, LVM,
    NFS, ZFS and btrfs. On shared file systems the inode is not, either: FUSE and 9p may invent
    it at each look, so there the path within the share stands for it.

    Of two parts, its place on the storage, for `is_same_place`, and the directory itself. Raises
    `OutputError` where the directory cannot be listed.
    """
    try:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Through ".", which needs the search permission that a listing needs, too.
            status = os.stat(".", dir_fd=folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutputError(unusable(root, error)) from error
    real = os.path.realpath(root)
    mount = mount_of(real, read_mounts())
    if mount is None:
        return f"{_digest(real)}-{_digest(str(status.st_dev), str(status.st_ino))}"
    inside = os.path.join(mount.root, os.path.relpath(real, mount.mount_point))
    place = _digest(mount.fs_type, mount.source, os.path.normpath(inside))
    if mount.is_shared:
        return f"{place}-{place}"
    return f"{place}-{_digest(mount.fs_type, mount.source, str(status.st_ino))}"


def is_same_place(marker: str, other: str) -> bool:
    """True where both have the same path on the same storage: if the directory is another, it was
    made anew, or moved there, and not unmounted."""
    place, dash, _ = marker.partition("-")
    return bool(dash) and place == other.partition("-")[0]


def _digest(*parts: str) -> str:
    return hashlib.sha256(os.fsencode("\0".join(parts))).hexdigest()[:16]


def storage_marker(root: Path) -> str | None:
    """`identify`, or None where the directory cannot be listed. Compare it, don't read it."""
    try:
        return identify(root)
    except OutputError:
        return None


def is_shared(root: Path) -> bool:
    """True where hosts share the storage, so that one name means one file on all of them."""
    mount = mount_of(os.path.realpath(root), read_mounts())
    return mount is not None and mount.is_shared


def machine() -> str:
    """Which running machine this is: the same in each of its containers, another after a boot."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()


def unusable(path: Path | str, error: OSError) -> str:
    """What is wrong with a file or directory, and what to do. Names are escaped: they may
    hold line breaks, terminal codes and bytes that are no text."""
    advice = _ADVICE.get(error.errno or 0, "see whether its storage is connected and healthy")
    return f"{os.fspath(path)!r} cannot be read: {error.strerror or error}; {advice}"
