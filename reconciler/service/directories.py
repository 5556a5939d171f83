"""The output directories of the servers that are attended to: watched, listed, their files
inspected. Servers may share one: it is watched once, and no file of it is inspected twice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from reconciler.inbox import EVERYTHING, Inbox
from reconciler.outputs.change import Change
from reconciler.outputs.watch import OutputWatch
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.servers import WatchedServer
from reconciler.service.arrivals import Arrivals
from reconciler.service.listings import Listings
from reconciler.service.topics import FileChanged, LookAt, Scanned
from reconciler.settings import Settings

log = structlog.get_logger(__name__)


@dataclass
class _Directory:
    """One directory, and the servers that write there."""

    watch: OutputWatch
    arrivals: Arrivals
    servers: dict[str, WatchedServer] = field(default_factory=dict)


class Directories:
    """Belongs to the service's loop, except that watches put their hints into the inbox."""

    def __init__(
        self, settings: Settings, roots: Collection[Path], live: LiveSigns, inbox: Inbox
    ) -> None:
        """`roots`: all that may ever be watched."""
        self._settings = settings
        self._live = live
        self._inbox = inbox
        self._listings = Listings(
            {str(root): root for root in roots}, lambda root: inbox.put(Scanned(Path(root)))
        )
        self._known: dict[Path, _Directory] = {}

    def begin(self, server: WatchedServer) -> None:
        """Watches the server's directory; it is to be listed after that."""
        if not server.book.is_mounted:
            return
        root = server.book.root
        directory = self._known.get(root)
        if directory is None:
            directory = self._known[root] = self._new(server)
            directory.servers[server.name] = server
            directory.watch.start()
        directory.servers[server.name] = server
        book = server.book
        server.storage_answers = lambda: directory.watch.healthy and not book.storage.hangs

    def end(self, server: WatchedServer) -> None:
        """Its directory is watched no longer, unless another server needs it."""
        directory = self._known.get(server.book.root)
        if directory is None:
            return
        del directory.servers[server.name]
        if not directory.servers:
            del self._known[server.book.root]
            directory.watch.stop()

    def note_change(self, change: FileChanged) -> None:
        """An event named a file."""
        if (directory := self._known.get(change.root)) is not None:
            directory.arrivals.note(
                change.path,
                closed=change.closed,
                close_will_come=directory.watch.kind == "inotify" and not change.close_missed,
            )

    def tick(self) -> None:
        """Takes the listings that are finished, and looks again at files that had not settled."""
        for root, found in self._listings.taken():
            if (known := self._known.get(Path(root))) is not None:
                known.arrivals.note_scan(found)
        for directory in self._known.values():
            directory.arrivals.tick()

    def due_s(self) -> list[float]:
        """In how many seconds files may have settled that wait for it."""
        due = [directory.arrivals.due_s() for directory in self._known.values()]
        return [each for each in due if each is not None]

    def scan(self, newer_than: float, *, events_lost: bool) -> None:
        """Has them listed, in threads."""
        for root, directory in self._known.items():
            if events_lost:
                directory.arrivals.lose_track()
            if directory.watch.healthy:
                self._listings.begin(str(root), newer_than, whole=events_lost)

    def close(self) -> None:
        """Ends all watches."""
        for directory in self._known.values():
            directory.watch.stop()
        self._listings.close()

    def _new(self, server: WatchedServer) -> _Directory:
        root = server.book.root
        servers: dict[str, WatchedServer] = {}

        def grew() -> None:
            # Of which of them it is shows at the end: until then it speaks for each.
            for name in list(servers):
                self._live.growth(name)

        watch = OutputWatch(
            root,
            self._on_change(root, servers, grew),
            lambda words: self._on_lost(root, words),
            observer=self._settings.watch.observer,
            poll_interval_s=self._settings.watch.poll_interval_s,
        )
        arrivals = Arrivals(server.book, self._settings.outputs.settle_s, on_growth=grew)
        return _Directory(watch, arrivals, servers)

    def _on_change(
        self, root: Path, servers: dict[str, WatchedServer], grew: Callable[[], None]
    ) -> Callable[[Change], None]:
        def on_change(change: Change) -> None:
            if not change.manifest:
                grew()
                self._inbox.put(FileChanged(root, change.path, change.closed, change.close_missed))
                return
            for name in list(servers):
                with suppress(KeyError):  # let go of in this moment
                    servers[name].manifests.hear(change.path.name)
                self._inbox.put(LookAt(name))

        return on_change

    def _on_lost(self, root: Path, words: str) -> None:
        log.warning("events may be missing: listing everything", path=str(root), reason=words)
        self._inbox.put(EVERYTHING)
