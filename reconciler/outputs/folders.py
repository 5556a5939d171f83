"""One look at all folders below an output directory, with what the look before it found."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.errors import OutputError
from reconciler.outputs.mounts import unusable
from reconciler.outputs.scan import FileFact, fact_of, look_at, visible

#: A file that was new or changed is looked at each time for so long, in seconds, however old it
#: says it is.
FOLLOWED_S = 3600.0


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it was found."""

    #: Device, inode, and the times at which something in it was added, removed or renamed.
    times: tuple[int, ...]
    #: When it was first seen with these times; monotonic seconds.
    since_s: float
    #: It was listed so long after that, that the next change will give it other times.
    sure: bool
    folders: tuple[str, ...]
    #: A number for each media file as it was: of a million files they take 8 MB.
    marks: array[int]
    #: The files that are looked at each time.
    recent: tuple[FileFact, ...]


class FolderLook:
    """Goes through the folders once. Belongs to `Rescans`.

    Times of the file system are compared with each other and never with our clock. They have
    ticks of a millisecond to a second, and a network client remembers them for a minute: a
    listing that was made right after a change may lack the next one, which sets the same time.
    So a listing is `sure` only if the folder was seen with these times `sure_s` before it.
    """

    def __init__(
        self,
        root: Path,
        known: dict[str, Folder],
        followed: dict[str, float],
        young_since: float,
        sure_s: float | None,
    ) -> None:
        """`young_since`: files that were changed since then are recent; seconds since the epoch."""
        self._root = os.fspath(root)
        self._known = known
        self._young_since_ns = young_since * 1e9
        self._sure_s = float("inf") if sure_s is None else sure_s
        self._until_s = time.monotonic() + FOLLOWED_S
        #: The folders as they are now, and until when files are followed.
        self.found: dict[str, Folder] = {}
        self.followed = {
            path: until_s for path, until_s in followed.items() if until_s > time.monotonic()
        }
        self.problems: list[str] = []

    def files(self, *, whole: bool) -> Iterator[FileFact]:
        """The recent files. Raises `OutputError` where the root cannot be listed."""
        waiting = [self._root]
        while waiting:
            path = waiting.pop()
            try:
                folder = self._folder(path, whole=whole)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if path == self._root:
                    raise OutputError(unusable(path, error)) from error
                self.problems.append(unusable(path, error))
                continue
            self.found[path] = folder
            waiting.extend(folder.folders)
            yield from folder.recent

    def is_told(self, fact: FileFact, newer_than: float) -> bool:
        """True for a file that was changed at or after `newer_than`, or is followed."""
        return fact.mtime_ns >= newer_than * 1e9 or os.fspath(fact.path) in self.followed

    def _folder(self, path: str, *, whole: bool) -> Folder:
        """Raises OSError where it cannot be looked at."""
        now_s = time.monotonic()
        status = os.stat(path, follow_symlinks=path == self._root)
        times = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        known, problems = self._known.get(path), len(self.problems)
        same = known is not None and known.times == times
        if known is not None and same and known.sure and not whole:
            recent = known.recent and tuple(self._again(known.recent))
            folder = replace(known, recent=recent) if recent != known.recent else known
        else:
            since_s = known.since_s if known is not None and same else now_s
            sure = now_s - since_s >= self._sure_s
            folder = self._listed(path, known, Folder(times, since_s, sure, (), array("q"), ()))
        return folder if len(self.problems) == problems else replace(folder, sure=False)

    def _again(self, recent: Iterable[FileFact]) -> Iterator[FileFact]:
        """The recent files of a folder that is not listed again."""
        for before in recent:
            try:
                fact = look_at(before.path)
            except OutputError as error:
                self.problems.append(str(error))
                continue
            path = os.fspath(before.path)
            if fact is not None and self._is_recent(path, fact.mtime_ns, fact != before):
                yield fact

    def _listed(self, path: str, known: Folder | None, folder: Folder) -> Folder:
        before = None if known is None else {*known.marks, *map(_mark, known.recent)}
        folders: list[str] = []
        recent: list[FileFact] = []
        for entry in visible(path):
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
                continue
            status = self._status(entry)
            if status is not None:
                mark = hash((entry.name, status.st_size, status.st_mtime_ns))
                folder.marks.append(mark)
                is_new = before is not None and mark not in before
                if self._is_recent(entry.path, status.st_mtime_ns, is_new):
                    recent.append(fact_of(Path(entry.path), status))
        return replace(folder, folders=tuple(folders), recent=tuple(recent))

    def _status(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        try:
            return entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.problems.append(unusable(entry.path, error))
            return None

    def _is_recent(self, path: str, mtime_ns: int, is_new: bool) -> bool:
        if is_new:
            self.followed[path] = self._until_s
        return mtime_ns >= self._young_since_ns or path in self.followed


def _mark(fact: FileFact) -> int:
    """Equal for a file that did not change. Without its inode, which some shares invent."""
    return hash((fact.path.name, fact.size_bytes, fact.mtime_ns))
