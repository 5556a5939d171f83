"""The folder of the manifests: written whole or not at all, and kept from growing for ever."""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from .contract import MANIFEST_DIR, MANIFEST_KEEP_COUNT, MANIFEST_KEEP_S, manifest_name

#: A temporary file of ours is not in use after this, in seconds.
STALE_S = 3600.0
#: Files between two pauses, and each pause, in seconds: pruning must not hold up a generation.
_BREATH_FILES = 200
_BREATH_S = 0.002

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}\.json")
_TEMPORARY = re.compile(r"\.[0-9A-Za-z][0-9A-Za-z_-]{0,99}\.json\.[0-9a-f]{8}\.tmp")
#: How every manifest begins.
_BEGINS = b'{"format":'


@dataclass(frozen=True)
class Written:
    """A manifest in place: the very file, which a later one under this name is not."""

    path: str
    identity: tuple[int, int, int]


class ManifestFolder:
    """`<output>/.reconciler`, made when the first manifest comes."""

    def __init__(self, output_directory: Callable[[], str]) -> None:
        self._output_directory = output_directory
        #: The directory that was asked for last, and its real path, which seldom changes.
        self._real_root: tuple[tuple[str, int, int], str] = (("", 0, 0), "")
        #: Held for the moment in which a file takes its place.
        self._placing = threading.Lock()

    @property
    def root(self) -> str:
        """ComfyUI's output directory."""
        return self._output_directory()

    @property
    def real_root(self) -> str:
        """The output directory without symbolic links."""
        root = self.root
        try:
            found = os.stat(root)
        except OSError:  # not there: so is no file
            return root
        key = root, found.st_dev, found.st_ino
        if key != self._real_root[0]:
            self._real_root = key, os.path.realpath(root)
        return self._real_root[1]

    @property
    def path(self) -> str:
        """The folder itself."""
        return os.path.join(self.root, MANIFEST_DIR)

    def write(self, prompt_id: str, content: bytes) -> Written:
        """Puts a manifest in place of any earlier one. Raises OSError."""
        path = os.path.join(self.path, manifest_name(prompt_id))
        try:
            return self._place(path, content)
        except FileNotFoundError:
            # Never the output directory itself: where that is absent, it may yet be mounted.
            with suppress(FileExistsError):  # another thread, or another ComfyUI, was faster
                os.mkdir(os.path.dirname(path))
            return self._place(path, content)

    def rewrite(self, written: Written, content: bytes) -> Written | None:
        """Puts a manifest, synced, in place of that very file; None where it is there no more."""
        with suppress(FileNotFoundError):
            return self._place(written.path, content, instead_of=written)
        return None

    def _place(self, path: str, content: bytes, instead_of: Written | None = None) -> Written:
        """Raises FileNotFoundError where the folder, or what it is to replace, is not there."""
        folder, name = os.path.split(path)
        temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")
        try:
            # Each call that waits for the disk lets other threads have Python's lock first, and
            # the worker waits for it: the fewer, the better.
            with open(temporary, "xb", buffering=0) as file:
                left = memoryview(content)
                while left:
                    left = left[file.write(left) :]
                if instead_of is not None:
                    os.fsync(file.fileno())
                identity = _identity(os.fstat(file.fileno()))
            with self._placing:
                if instead_of is not None and _identity(os.stat(path)) != instead_of.identity:
                    raise FileNotFoundError(f"{path} is another file by now")
                os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        return Written(path, identity)

    def prune(self, now: float, stop: threading.Event) -> int:
        """Deletes manifests that are too old or too many, and temporary files that were left.

        Returns how many. Only what is named as ours is and begins as ours do, and never through a
        link to another folder. Raises OSError where the folder cannot be listed.
        """
        if os.path.islink(self.path):
            return 0
        manifests: list[tuple[float, str]] = []
        deleted = 0
        for entry, changed_at in _files(self.path, stop):
            if _NAME.fullmatch(entry.name):
                manifests.append((changed_at, entry.path))
            elif _TEMPORARY.fullmatch(entry.name) and changed_at < now - STALE_S:
                deleted += _delete(entry.path)
        manifests.sort()
        surplus = len(manifests) - MANIFEST_KEEP_COUNT
        for n, (changed_at, path) in enumerate(manifests):
            if stop.is_set() or (n >= surplus and changed_at >= now - MANIFEST_KEEP_S):
                break
            _breathe(n)
            deleted += _begins_as_ours(path) and _delete(path)
        return deleted


def _files(folder: str, stop: threading.Event) -> Iterator[tuple[os.DirEntry[str], float]]:
    """Each file and when it changed last; one that goes away meanwhile is passed over."""
    with os.scandir(folder) as entries:
        for n, entry in enumerate(entries):
            if stop.is_set():
                return
            _breathe(n)
            with suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    yield entry, entry.stat(follow_symlinks=False).st_mtime


def _breathe(n: int) -> None:
    if n % _BREATH_FILES == _BREATH_FILES - 1:
        time.sleep(_BREATH_S)


def _begins_as_ours(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_BEGINS)) == _BEGINS
    except OSError:
        return False


def _delete(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:  # somebody else's now, or gone
        return False
    return True


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns


def sync(path: str) -> None:
    """Onto the disk. Not every system can do that with a folder, or with a file that is read."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_regular(found: os.stat_result) -> bool:
    """Whether it is a file, and no pipe or device that would hang who reads it."""
    return stat.S_ISREG(found.st_mode)
