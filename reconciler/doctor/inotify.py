"""The kernel's limits on watching files, against what is needed."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.doctor.finding import Finding, ok, warning
from reconciler.outputs.observers import LIMITS, probe_limits

_FOLDER = Path("/proc/sys/fs/inotify")
#: A user namespace, as a container may have one, has lower limits of its own.
_NAMESPACE = Path("/proc/sys/user")
#: Each watch is looked after by a second instance, for a moment.
_SPARE_INSTANCES = 1
_LESS = "files are then found by polling, or only by the rescan every watch.rescan_s"


@dataclass(frozen=True, slots=True)
class InotifyLimits:
    """Per user; None where the kernel does not say."""

    watches: int | None
    instances: int | None


def read_limits() -> InotifyLimits:
    """The limits as they are set."""
    return InotifyLimits(
        _lowest(_FOLDER / "max_user_watches", _NAMESPACE / "max_inotify_watches"),
        _lowest(_FOLDER / "max_user_instances", _NAMESPACE / "max_inotify_instances"),
    )


def _lowest(*files: Path) -> int | None:
    numbers = [number for file in files if (number := _number(file)) is not None]
    return min(numbers, default=None)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def check_watches(what: str, real: str, folders: int, limits: InotifyLimits) -> Iterator[Finding]:
    """Each folder takes a watch. Editors and file managers take theirs out of the same limit."""
    raised = max(524_288, 4 * folders)
    advice = f"sysctl fs.inotify.max_user_watches={raised} (and into /etc/sysctl.d, to keep it)"
    if limits.watches is not None and folders > limits.watches // 2:
        yield warning(
            what,
            f"{folders} folders, and a user may watch {limits.watches}: {_LESS}",
            advice,
        )
        return
    try:
        probe_limits(real)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        yield warning(what, f"{LIMITS[errno.ENOSPC]} is used up: {_LESS}", advice)


def check_instances(servers: int, limits: InotifyLimits) -> Iterator[Finding]:
    """Each server's directory takes an instance."""
    yield judge_instances(servers, limits, complaint=_new_instance())


def judge_instances(servers: int, limits: InotifyLimits, complaint: str) -> Finding:
    """`complaint`: why no other instance can be had; empty if one can."""
    what = "inotify"
    needed = servers + _SPARE_INSTANCES
    told = f"max_user_watches {limits.watches}, max_user_instances {limits.instances}"
    advice = (
        f"sysctl fs.inotify.max_user_instances={max(512, 4 * needed)} (and into /etc/sysctl.d, to"
        " keep it)"
    )
    if complaint:
        return warning(what, f"no instance is left ({complaint}): {_LESS}", advice)
    if limits.instances is not None and limits.instances < needed:
        return warning(what, f"{told}, and {needed} instances are needed: {_LESS}", advice)
    return ok(what, told)


def _new_instance() -> str:
    """Why no inotify instance can be had, or nothing. Python itself has no call for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        descriptor = libc.inotify_init1(os.O_CLOEXEC)
    except AttributeError:
        return "this system has no inotify"
    if descriptor < 0:
        return os.strerror(ctypes.get_errno())
    os.close(descriptor)
    return ""
