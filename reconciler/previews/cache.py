"""Pictures that were made, in files of which all together have a bound. The oldest go first."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

#: What is being written; what a crash left of it goes after so many seconds.
_UNFINISHED, _LEFT_S = ".unfinished-", 3600.0


class PictureCache:
    """One folder, which several processes may share. Thread-safe."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """The picture, or None where there is none, or none that can be read."""
        with suppress(OSError):
            return (self._folder / name).read_bytes()
        return None

    def put(self, name: str, data: bytes) -> None:
        """Keeps a picture, whole or not at all. Raises OSError where it cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # else a crash of the machine may leave an empty one
            os.replace(unfinished, self._folder / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(unfinished)
            raise
        self._make_room(name)

    def _make_room(self, newest: str) -> None:
        """Deletes the oldest until the rest fits; the newest stays in any case."""
        with self._lock:
            kept = sorted(self._kept(), key=lambda one: one[1].st_mtime_ns)
            too_many = sum(facts.st_size for _, facts in kept) - self._max_bytes
            for path, facts in kept:
                if too_many <= 0:
                    return
                if path.name != newest:
                    path.unlink(missing_ok=True)
                    too_many -= facts.st_size

    def _kept(self) -> list[tuple[Path, os.stat_result]]:
        kept = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another process has the same folder
                facts = path.lstat()
                if not path.name.startswith(_UNFINISHED):
                    kept.append((path, facts))
                elif time.time() - facts.st_mtime > _LEFT_S:
                    path.unlink()
        return kept
