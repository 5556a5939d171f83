"""`python -m tests.faults.storm_watcher ROOT`: a watch as a process of its own, to be frozen.

It lists when events were lost, as the service does. Asked by a line, it tells as JSON what it
heard and what it knows.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from pathlib import Path

from reconciler.outputs.rescans import Rescans
from reconciler.outputs.watch import Change, OutputWatch


class StormWatcher:
    """Knows a file by an event or by a listing."""

    def __init__(self, root: Path) -> None:
        self._rescans = Rescans(root)
        self._events = 0
        self._heard: set[Path] = set()
        self._known: set[Path] = set()
        self._lost: list[str] = []
        self._due: queue.Queue[str] = queue.Queue()
        self._scans = 0
        self._known_at = time.time()
        self._watch = OutputWatch(root, self._on_change, self._due.put)

    def run(self) -> None:
        """Until there is nobody to ask."""
        self._rescans.scan()
        self._watch.start()
        threading.Thread(target=self._list, daemon=True).start()
        for _ in sys.stdin:
            print(json.dumps(self._told()), flush=True)
        self._watch.stop()

    def _on_change(self, change: Change) -> None:
        self._events += 1
        self._heard.add(change.path)
        self._know({change.path})

    def _know(self, paths: set[Path]) -> None:
        if not paths <= self._known:
            self._known |= paths
            self._known_at = time.time()

    def _list(self) -> None:
        while True:
            self._lost.append(self._due.get())
            found = {fact.path for fact in self._rescans.scan(whole=True).files}
            self._scans += 1
            self._know(found)

    def _told(self) -> dict[str, object]:
        return {
            "events": self._events,
            "heard": len(self._heard),
            "known": len(self._known),
            "lost": self._lost,
            "scans": self._scans,
            "known_at": self._known_at,
        }


if __name__ == "__main__":
    StormWatcher(Path(sys.argv[1])).run()
