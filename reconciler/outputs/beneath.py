"""Opens a file below a directory, whatever somebody does to links and folders meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import OutputError
from reconciler.outputs.text import printable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: O_NONBLOCK: opening a named pipe that nobody writes to would wait for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotThere(OutputError):
    """There is no such file, or no such folder above it."""


def open_beneath(root: Path, path: Path) -> BinaryIO:
    """Open the regular file `path`, an absolute path below `root`, for reading.

    Each folder is opened in the one above it, and no link is followed but `root` itself, which may
    be one. So nothing that is exchanged on the way leads anywhere else. Raises NotThere, and
    OutputError for what is no regular file, lies outside, or may not be read.
    """
    parts = _below(root, path)
    try:
        with ExitStack() as stack:
            folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, folder)
            for part in parts[:-1]:
                folder = os.open(part, _FOLDER, dir_fd=folder)
                stack.callback(os.close, folder)
            return _regular(os.open(parts[-1], _FILE, dir_fd=folder))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotThere("the file is not there any more") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OutputError("a symbolic link stands where the file was") from error
        reason = printable(error.strerror or str(error))
        raise OutputError(f"the file cannot be opened: {reason}") from error


def _below(root: Path, path: Path) -> Sequence[str]:
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    if not parts or ".." in parts or "\0" in str(path):
        raise OutputError("the file lies outside of the output directory")
    return parts


def _regular(descriptor: int) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OutputError("there is something else than a file in its place")
    return os.fdopen(descriptor, "rb", buffering=0)
