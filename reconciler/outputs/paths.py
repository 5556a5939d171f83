"""Names that ComfyUI lists, turned into files of the output directory and of nowhere else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.errors import OutputError, OutsideOutput
from reconciler.outputs.text import printable, shown_path


def resolve_inside(root: Path, name: str) -> Path:
    """Return the path of `name` (`subfolder/filename`) under the output directory `root`.

    The file need not exist. Below `root`, which may be a link, the path is free of symbolic links,
    so that a file has one path and can be opened without following any. Raises OutsideOutput for an
    absolute name, "..", a name that no file can have, and a symbolic link that leaves `root`.
    """
    shown = printable(name)
    if not name or "\0" in name:
        raise OutsideOutput(f"{shown!r} cannot be the name of an output file")
    if Path(name).is_absolute():
        raise OutsideOutput(f"{shown!r} is absolute: an output is named relative to {root}")
    if ".." in Path(name).parts:
        raise OutsideOutput(f"{shown!r} contains '..': it would leave {root}")
    try:
        real_root = root.resolve()
        real = (real_root / name).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links; a name too long
        reason = printable(str(error))
        raise OutsideOutput(f"{shown!r} cannot be followed under {root}: {reason}") from error
    if not real.is_relative_to(real_root) or real == real_root:
        where = shown_path(real)
        raise OutsideOutput(f"{shown!r} leads to {where}, which is no file inside {root}")
    return root / real.relative_to(real_root)


@contextmanager
def open_unchanged(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file for reading, and insist at the end that nobody changed it meanwhile.

    Gives the descriptor and the file's state. Never follows a symbolic link, never blocks on a
    pipe. Raises OutputError where the file cannot be opened or is no regular file, and on leaving
    where its size, time or identity differ from those at the start.
    """
    descriptor = _open(path)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OutputError(f"{shown_path(path)} is no regular file: nothing to inspect")
        yield descriptor, before
        _insist_unchanged(path, before, os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    # O_NONBLOCK: opening a named pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            raise OutputError(f"{shown_path(path)} is a symbolic link: name its target") from error
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"{shown_path(path)} cannot be opened: {reason}") from error


def _insist_unchanged(path: Path, before: os.stat_result, held: os.stat_result) -> None:
    try:
        named = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise OutputError(f"{shown_path(path)} vanished while it was inspected") from error
    if (named.st_dev, named.st_ino) != (before.st_dev, before.st_ino):
        raise OutputError(f"{shown_path(path)} was replaced while it was inspected")
    if (held.st_size, held.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        grown = f"{before.st_size} bytes before, {held.st_size} after"
        raise OutputError(f"{shown_path(path)} changed while it was inspected ({grown})")
