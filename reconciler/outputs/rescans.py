"""One listing of an output directory after another, without listing again what is as it was."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.errors import OutputError
from reconciler.outputs.folders import Folder, FolderLook
from reconciler.outputs.mounts import folder_times_sure_s, identify
from reconciler.outputs.scan import Scan, bounded, replaced

#: Everything is listed anew after so long, in seconds; sooner where others write to the storage.
WHOLE_S = 3600.0
WHOLE_SHARED_S = 600.0
#: Listings of everything take up this share of the time at most.
_WHOLE_SHARE = 0.05
#: Steps in which "young" is moved, in seconds: moved back, it costs a listing of everything.
_STEP_S = 3600.0
#: Longer is a folder's time doubted only where others write to its storage.
_LOCAL_SURE_S = 10.0


class Rescans:
    """Tells of the files below `root` that are young, new or changed, time and again, cheaply.

    A folder's times change with each file that is added, removed or renamed in it, so a folder
    with the same times is not listed again. Young files, and those that were new or changed within
    the hour, are looked at each time. A file that is older and rewritten in place is found when
    everything is listed anew. A file that is new counts whatever its own time says.

    Not thread-safe.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, Folder] = {}
        self._followed: dict[str, float] = {}
        self._marker: str | None = None
        self._young_since = 0.0
        self._whole_at_s = 0.0

    def scan(self, newer_than: float = 0.0, *, whole: bool = False) -> Scan:
        """The files that were changed at or after `newer_than` (seconds since the epoch, by the
        clock of the file system: leave a margin), and those that are new since the last scan.

        `whole` lists every folder: for when events were lost. What vanishes meanwhile is left
        out; what cannot be read becomes a problem. Raises `OutputError` where the root itself
        cannot be listed or is replaced meanwhile.
        """
        marker = identify(self._root)
        began_s = time.monotonic()
        sure_s = folder_times_sure_s(self._root)
        if marker != self._marker:
            self._folders, self._followed, self._marker = {}, {}, None
        older = self._move_young(newer_than)
        due = self._marker is None or sure_s is None or began_s >= self._whole_at_s
        whole = whole or older or due
        if whole:
            self._whole_at_s = began_s  # and if this one fails, the next is
        look = FolderLook(self._root, self._folders, self._followed, self._young_since, sure_s)
        found = [fact for fact in look.files(whole=whole) if look.is_told(fact, newer_than)]
        if identify(self._root) != marker:
            raise OutputError(replaced(self._root))
        self._folders, self._followed, self._marker = look.found, look.followed, marker
        if whole:
            self._note_whole(began_s, sure_s)
        return Scan(tuple(found), bounded(look.problems), marker)

    def _move_young(self, newer_than: float) -> bool:
        """Moves what counts as young. True where that are older files than before, which are not
        known: everything has to be listed."""
        older = newer_than < self._young_since
        if older or newer_than > self._young_since + 2 * _STEP_S:
            self._young_since = max(newer_than - _STEP_S, 0.0)
        return older

    def _note_whole(self, began_s: float, sure_s: float | None) -> None:
        now_s = time.monotonic()
        every_s = WHOLE_S if sure_s is not None and sure_s < _LOCAL_SURE_S else WHOLE_SHARED_S
        self._whole_at_s = now_s + max(every_s, (now_s - began_s) / _WHOLE_SHARE)
