"""The settings file changed at once or not at all, and by nobody else meanwhile."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import SettingsError

#: Of a file that we make: it may be given a password some day.
_NEW_MODE = 0o600


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file as it was read; it need not exist."""

    path: Path
    content: bytes | None

    @property
    def text(self) -> str:
        """Its text; none if there is no file."""
        return (self.content or b"").decode("utf-8")


def read_file(path: Path) -> SettingsFile:
    """The file, or that there is none. A link is followed: what it leads to is the file.

    Raises SettingsError.
    """
    try:
        target = path.expanduser().resolve()
        if not target.exists():
            return SettingsFile(target, None)
        if not stat.S_ISREG(target.stat().st_mode):
            raise SettingsError(f"{path} is no file that can be written: name one with --config")
        return SettingsFile(target, target.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from None


def diff(file: SettingsFile, new: str) -> str:
    """What changes, as `diff -u` shows it."""
    name = str(file.path)
    lines = difflib.unified_diff(
        file.text.splitlines(),
        new.splitlines(),
        name if file.content is not None else "/dev/null",
        name,
        lineterm="",
    )
    return "\n".join(lines)


def write_file(file: SettingsFile, new: str, check: Callable[[Path], None]) -> None:
    """Replaces the file: a reader sees the old one or the new one. Mode and owner stay.

    `check` looks at the new file before it takes the old one's place, and raises if it is wrong.
    Raises SettingsError, also where the old one is no longer as it was read.
    """
    folder = file.path.parent
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.path.name}.", dir=folder)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "wb") as temporary:
            temporary.write(new.encode("utf-8"))
            temporary.flush()
            _like(temporary.fileno(), file.path)
            os.fsync(temporary.fileno())
        check(Path(name))
        _require_unchanged(file)
        os.replace(name, file.path)
    except OSError as error:
        raise SettingsError(f"{file.path}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _like(descriptor: int, path: Path) -> None:
    """Mode and owner of the file that is replaced."""
    try:
        old = path.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, _NEW_MODE)
        return
    mine = os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _require_unchanged(file: SettingsFile) -> None:
    try:
        now: bytes | None = file.path.read_bytes()
    except FileNotFoundError:
        now = None
    if now != file.content:
        raise SettingsError(f"{file.path} was changed meanwhile: run `reconciler adopt` again")
