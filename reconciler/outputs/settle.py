"""When a file is finished: the settle rule. Pure; the clock is passed in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from reconciler.outputs.scan import FileFact


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the looks at one file have shown."""

    #: None between a close event and the first look after it.
    fact: FileFact | None
    #: Since when it has looked like this.
    since_s: float
    #: Closed, or quiet for long enough, and not changed since.
    settled: bool


class Settle:
    """Tells whether a file has settled: closed and unchanged since, or unchanged for `settle_s`.

    Every saver of ComfyUI writes under the final name, so a name alone says nothing. A polling
    observer gives no close events: there only the second half of the rule works, and `settle_s`
    must exceed the time for which the client caches sizes (NFS: acregmin, 3 s by default).

    Times are seconds of a monotonic clock. Not thread-safe: it belongs to one loop.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[Path, _Seen] = {}

    def note_closed(self, path: Path) -> None:
        """A close event came: the next look shows the finished file, unless it changes again."""
        self._seen[path] = _Seen(None, 0.0, settled=True)

    def was_closed(self, path: Path) -> bool:
        """True for a file that was closed and not looked at since."""
        return (seen := self._seen.get(path)) is not None and seen.fact is None

    def has_settled(self, fact: FileFact, now_s: float) -> bool:
        """Look at a file at `now_s`; True if it may be inspected."""
        seen = self._seen.get(fact.path)
        if seen is None or seen.fact not in (None, fact):
            seen = _Seen(fact, now_s, settled=False)
        settled = seen.settled or now_s >= seen.since_s + self._settle_s
        self._seen[fact.path] = _Seen(fact, seen.since_s, settled)
        return settled

    def due_s(self, now_s: float) -> float | None:
        """The next time at which a look could find another file settled; None if none waits.

        `now_s` is the time of the last looks. A file whose time passed without a look is gone.
        """
        waiting = (seen.since_s for seen in self._seen.values() if not seen.settled)
        due = (since_s + self._settle_s for since_s in waiting)
        return min((due_s for due_s in due if due_s > now_s), default=None)

    def keep(self, paths: Collection[Path]) -> None:
        """Forget all files but these, so that the memory of years of outputs does not grow."""
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
