"""Output directories: there, readable, with room, and how changes in them are noticed."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from reconciler.doctor.finding import Finding, failed, ok, warning
from reconciler.doctor.inotify import InotifyLimits, check_watches
from reconciler.errors import OutputError
from reconciler.outputs.mounts import blind_spot, identify, mount_of, read_mounts
from reconciler.outputs.observers import polling_reason
from reconciler.outputs.text import shown_path
from reconciler.settings import WatchSettings

#: Less free space than this, and ComfyUI will soon write truncated files.
LITTLE_BYTES = 10**9
#: How long folders are counted, in seconds.
COUNT_S = 5.0
_PROBLEMS_SHOWN = 3
_NESTED = "lie in one another"


def check_output(
    name: str, root: Path, watch: WatchSettings, limits: InotifyLimits
) -> Iterator[Finding]:
    """The directory of server `name`, apart from whether ComfyUI writes to it."""
    what = f"{name}, output directory"
    try:
        identify(root)
    except OutputError as error:
        detail, _, advice = str(error).rpartition("; ")
        yield failed(what, detail, advice)
        return
    yield judge_space(what, root, *_space(root))
    folders, problems = count_folders(root)
    if problems:
        yield warning(
            what,
            f"parts of it cannot be listed: {'; '.join(problems[:_PROBLEMS_SHOWN])}"
            + (f"; and {len(problems) - _PROBLEMS_SHOWN} more" * (len(problems) > _PROBLEMS_SHOWN)),
            "give the user of the reconciler read and search permission (r-x) on them",
        )
    yield from _check_watching(f"{name}, watching", root, watch, folders, limits)


def _space(root: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(root)
    return usage.free, usage.total


def judge_space(what: str, root: Path, free_bytes: int, total_bytes: int) -> Finding:
    """Room for more outputs. Some network file systems do not tell: all zero."""
    where = shown_path(root)
    if total_bytes == 0:
        return ok(what, f"{where} is readable; its storage does not tell how much is free")
    if free_bytes < LITTLE_BYTES:
        return warning(
            what,
            f"{where}: only {free_bytes / 10**6:.0f} MB are free: on a full disk ComfyUI writes"
            " truncated files",
            "delete or move old outputs",
        )
    return ok(what, f"{where} is readable; {free_bytes / 10**9:.1f} GB are free")


def count_folders(root: Path, patience_s: float = COUNT_S) -> tuple[int, list[str]]:
    """How many folders there are, `root` included, and which cannot be listed.

    What has been counted when the patience ends is the answer.
    """
    problems: list[str] = []

    def note(error: OSError) -> None:
        problems.append(f"{shown_path(error.filename or root)} ({error.strerror})")

    until = time.monotonic() + patience_s
    walk = os.walk(root, onerror=note)
    return sum(1 for _ in itertools.takewhile(lambda _: time.monotonic() < until, walk)), problems


def _check_watching(
    what: str, root: Path, watch: WatchSettings, folders: int, limits: InotifyLimits
) -> Iterator[Finding]:
    real = os.path.realpath(root)
    mount = mount_of(real, read_mounts())
    storage = f"file system of type {mount.fs_type}" if mount else "unknown file system"
    reason = polling_reason(watch.observer, real)
    if reason is not None:
        yield ok(what, f"polling every {watch.poll_interval_s:g} s ({storage}): {reason}")
        return
    if blind := blind_spot(real, read_mounts()):
        yield warning(
            what,
            f"watch.observer says inotify, but {blind}",
            "set watch.observer to auto or polling",
        )
    else:
        yield ok(what, f"inotify ({storage}), folders: {folders}")
    yield from check_watches(what, real, folders, limits)


def check_shared(directories: Mapping[str, Path]) -> Iterator[Finding]:
    """Servers that write to one directory overwrite each other's files: ComfyUI takes the next
    number without a lock."""
    what = "output directories"
    advice = "give each server an output directory of its own (--output-directory)"
    is_shared = False
    for (one, first), (other, second) in itertools.combinations(directories.items(), 2):
        if relation := _relation(first, second):
            is_shared = True
            yield warning(
                what,
                f"those of {one} and {other} {relation}: the servers overwrite each other's files"
                + ", and each file is seen twice" * (relation == _NESTED),
                advice,
            )
    if not is_shared:
        yield ok(what, f"each of the {len(directories)} servers has its own")


def _relation(first: Path, second: Path) -> str:
    try:
        if os.path.samefile(first, second):
            return "are the same"
    except OSError:
        return ""  # one of them is not there: its own line says so
    real = first.resolve(), second.resolve()
    nested = real[0].is_relative_to(real[1]) or real[1].is_relative_to(real[0])
    return _NESTED if nested else ""
