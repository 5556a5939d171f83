"""The files that may be shown: those that were inspected, as they were, in an output directory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reconciler.errors import OutputError
from reconciler.outputs.beneath import NotThere, open_beneath
from reconciler.outputs.storage import PATIENCE_S, Storage
from reconciler.previews.refusals import Elsewhere, Gone, Replaced, StorageAway
from reconciler.settings import Settings
from reconciler.settings.places import copies_dir
from reconciler.store.output_ids import KnownOutput


@dataclass
class _Door:
    """The storage of one directory, which one thread asks at a time."""

    root: Path
    storage: Storage
    lock: threading.Lock


class KnownFiles:
    """Opens inspected files, and nothing else. Thread-safe."""

    def __init__(self, roots: Iterable[Path]) -> None:
        """`roots`: the output directories that this process may show files of."""
        # One may lie within another, and be a link there: the innermost leads to its files.
        inner_first = sorted(set(roots), key=lambda root: len(root.parts), reverse=True)
        self._doors = [_Door(root, Storage(root), threading.Lock()) for root in inner_first]

    def open(self, output: KnownOutput) -> BinaryIO:
        """The very file that was inspected, opened for reading.

        Raises Gone, Replaced, Elsewhere and StorageAway, and OutputError where it may not be read.
        """
        door = next((one for one in self._doors if output.path.is_relative_to(one.root)), None)
        if door is None:
            raise Elsewhere(_elsewhere(output))
        try:
            file = self._through(door, output.path)
        except NotThere as error:
            if output.has_space:
                raise Elsewhere(_elsewhere(output)) from error
            raise Gone("the file is not there any more: it was deleted or moved") from error
        if not is_same(os.fstat(file.fileno()), output):
            file.close()
            if output.has_space:
                raise Elsewhere(_elsewhere(output))
            raise Replaced(
                "the file was changed or replaced since it was inspected; it can be seen once it"
                " was inspected again"
            )
        return file

    def _through(self, door: _Door, path: Path) -> BinaryIO:
        if door.storage.hangs or not door.lock.acquire(timeout=PATIENCE_S):
            raise StorageAway("the storage of the output directory does not answer")
        try:
            file, refusal = door.storage.ask(lambda: _opened(door.root, path))
        except OutputError as error:
            raise StorageAway(str(error)) from error
        finally:
            door.lock.release()
        if file is None:
            raise refusal or StorageAway("the storage of the output directory said nothing")
        return file


def _opened(root: Path, path: Path) -> tuple[BinaryIO | None, OutputError | None]:
    """As `open_beneath`, with its refusal returned: what is raised is the storage's."""
    try:
        return open_beneath(root, path), None
    except OutputError as error:
        return None, error


def _elsewhere(output: KnownOutput) -> str:
    return (
        f"the file cannot be seen from here: it lies on the host of the server {output.server!r},"
        " whose own agent shows it, or in a directory that these settings do not name"
    )


def roots_of(settings: Settings) -> list[Path]:
    """Where the files of these servers lie on this host, or their copies."""
    return [
        copies_dir(settings.data_dir, server.name)
        if server.output_dir is None
        else server.output_dir.absolute()
        for server in settings.servers
    ]


def is_same(now: os.stat_result, output: KnownOutput) -> bool:
    """True for the file that was inspected: as everywhere, by size, time of change and inode."""
    seen = (output.size_bytes, output.mtime_ns, output.inode)
    return (now.st_size, now.st_mtime_ns, now.st_ino) == seen
