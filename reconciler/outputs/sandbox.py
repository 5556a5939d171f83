"""What a worker gives up before it sees the first file, and what it could not give up.

A decoder that a file has taken over is to find no other file, no network, no other process, and
nothing to write to. Each step is taken where this kernel and this container allow it; the answer
tells of all, so that `reconciler doctor` can say what protects an inspection here.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import PIL
import psutil

from reconciler.outputs import landlock, seccomp
from reconciler.outputs.limits import Limits

_NO_NEW_PRIVS = 38
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_CAPABILITIES_VERSION = 0x20080522
#: Open files, and in a namespace of our own, processes and threads: ffmpeg has some twenty.
MAX_DESCRIPTORS, MAX_TASKS = 128, 256
#: Where programs find their libraries; a Python of the system has its own below these.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What was done, and what this machine refused, each in words for a person."""

    held: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def confine(limits: Limits, ffmpeg: Path | None) -> Sandbox:
    """Take from this process, for good, what the inspection of a file does not need.

    To be called with one thread, and with everything imported: afterwards only Python's library,
    Pillow and this package can be read, and nothing but ffmpeg and system libraries executed.
    """
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("low priority", lambda: _stand_back(limits.nice)),
        ("limits of memory and files", lambda: _limit(limits)),
        ("privileges given up", lambda: _renounce(ffmpeg)),
        ("network denied", _leave_network),
        ("all other files denied", lambda: _leave_files(ffmpeg)),
    )
    held, missing = [], []
    for what, step in steps:
        try:
            held.append(f"{what} ({how})" if (how := step()) else what)
        except OSError as error:
            missing.append(f"{what} ({error.strerror or error})")
    return Sandbox(tuple(held), tuple(missing))


def _stand_back(nice: int) -> str:
    os.nice(nice)
    try:
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, 7)
    except psutil.Error as error:
        raise OSError(f"of the disk: {error}") from error
    return f"nice {os.nice(0)}"


def _limit(limits: Limits) -> str:
    wanted = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: MAX_DESCRIPTORS,
    }
    for kind, most in wanted.items():
        lower(kind, most)
    return ""


def lower(kind: int, most: int) -> None:
    """Set a limit of this process, soft and hard; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _renounce(ffmpeg: Path | None) -> str:
    """Give up all privileges, root's too, and every way to new ones."""
    _call("prctl", _NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0)))
    needed = (Path(PIL.__file__), *((ffmpeg,) if ffmpeg else ()))
    if os.geteuid() == 0 and not all(_plain(path) for path in needed):
        raise OSError("ffmpeg or Pillow lies where only root's privileges reach")
    how = _leave_namespaces()
    _call("capset", struct.pack("=Ii", _CAPABILITIES_VERSION, 0), bytes(24))
    return how


def _leave_namespaces() -> str:
    """Where this is allowed; many containers do not, and sockets are denied all the same."""
    try:
        _call("unshare", _NEW_USER | _NEW_NETWORK)
    except OSError:
        return ""
    lower(resource.RLIMIT_NPROC, MAX_TASKS)  # elsewhere it would count all that the user runs
    return "in a namespace without a network"


def _leave_network() -> str:
    seccomp.deny_sockets()
    return "no sockets"


def _plain(path: Path) -> bool:
    """True where root, stripped of its privileges, could still go down to this path."""
    for folder in path.resolve().parents:
        state = folder.stat()
        if not state.st_mode & (0o101 if state.st_uid == 0 else 0o001):
            return False
    return True


def _leave_files(ffmpeg: Path | None) -> str:
    version = landlock.restrict(_allowed(ffmpeg))
    return f"landlock {version}"


def _allowed(ffmpeg: Path | None) -> Iterator[tuple[Path, int]]:
    if ffmpeg is not None:
        yield ffmpeg, landlock.READ_EXECUTE
        yield ffmpeg.resolve(), landlock.READ_EXECUTE
        yield ffmpeg.resolve().parent.parent / "lib", landlock.READ_EXECUTE
    folders = (*LIBRARIES, *filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))
    for folder in folders:
        yield Path(folder), landlock.READ_EXECUTE
    for module in (os.__file__, PIL.__file__, __file__):
        yield Path(module).parent, landlock.READ
    yield Path("/etc/ld.so.cache"), landlock.READ
    yield Path("/dev/urandom"), landlock.READ
    yield Path("/dev/null"), landlock.READ_WRITE


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
