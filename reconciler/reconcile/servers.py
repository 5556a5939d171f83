"""A ComfyUI server under watch: its last answers, and whether its output directory is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from reconciler import metrics
from reconciler.comfyui.values import EndedPrompt, HistoryPage, Look, QueuedPrompt, ServerInfo
from reconciler.core.evidence import SHARED, Place
from reconciler.errors import OutputError, ServerAnswer, ServerError, ServerRefused, ServerTimeout
from reconciler.outputs.mounts import is_same_place, storage_marker
from reconciler.reconcile.boots import note_boot
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.manifests import Manifests
from reconciler.reconcile.notes import EndedNotes, NotedTags
from reconciler.store.servers import ServerRecord

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: A server that was not looked at for longer was away, in seconds. Shorter gaps are common while
#: a node computes, and to search its history costs it megabytes.
AWAY_S = 30.0
#: The same in intervals, where looks are seldom.
AWAY_INTERVALS = 3


def away_after_s(interval_s: float) -> float:
    """Seconds without a look after which a server was away, where one is due each interval."""
    return max(AWAY_S, AWAY_INTERVALS * interval_s)


class Client(Protocol):
    """What the pass asks of a server (`comfyui.client.ComfyClient`)."""

    def look(self) -> Look: ...
    def ending(self, prompt_id: str) -> EndedPrompt | None: ...
    def recent(self, max_items: int) -> tuple[EndedPrompt, ...]: ...
    def newest(self, max_items: int) -> HistoryPage: ...
    def interrupt(self, prompt_id: str) -> None: ...
    def remove_pending(self, prompt_id: str) -> None: ...
    def info(self) -> ServerInfo: ...
    def connect_anew(self) -> None: ...
    def reconnected(self) -> None: ...


@dataclass
class WatchedServer:
    """One server. `fresh` is True while the last attempt to look, in this pass, succeeded."""

    record: ServerRecord
    client: Client
    book: OutputBook
    #: The path of a file under the output directory, as applications see it.
    stored_path: Callable[[Path], str]
    #: The client id under which our own websocket listens.
    client_id: str | None = None
    #: Since when the websocket has been listening: monotonic seconds, None while it does not.
    listening_since: Callable[[], float | None] = lambda: None
    #: False while the output directory's storage hangs.
    storage_answers: Callable[[], bool] = lambda: True
    #: False where another agent may reconcile it by now: it must not be told anything.
    trusted: Callable[[], bool] = lambda: True
    #: When this reconciler began with it, by the database's clock.
    begun_at: float = 0.0
    #: The queue as it was seen last; empty before the first look.
    queue: Look = field(default_factory=Look)
    fresh: bool = False
    changed: bool = True
    #: It was not looked at for a while: prompts may have come and gone that only history shows.
    was_away: bool = True
    #: Since when, by the database's clock, each look has been answered by the node pack, which
    #: hears every prompt; None while it is not.
    told_since: float | None = None
    #: Where it was not looked at for longer it was away, in seconds: some intervals.
    away_s: float = AWAY_S
    #: When it was seen first after such a gap, by the database's clock: no silence counts before.
    watched_since: float | None = None
    #: How prompts ended, as the pack told.
    notes: EndedNotes = field(default_factory=EndedNotes)
    _running: dict[str, QueuedPrompt] = field(default_factory=dict)
    _pending: dict[str, tuple[int, QueuedPrompt]] = field(default_factory=dict)
    _marker: str | None = None
    _storage_ok: bool = True
    _shared: bool = False
    #: The process whose ends the notes hold, and whether it may be of another version.
    _told_boot: str | None = None
    #: When it was seen last, by the database's clock, by us or by the reconciler before us.
    _seen_at: float | None = None
    _may_be_another: bool = False

    def __post_init__(self) -> None:
        self.tags = NotedTags(self.notes)
        self.manifests = Manifests(self.name, self.book.root, self.book.storage)
        self._may_be_another = self.record.answered_at is None
        self._seen_at = self.record.answered_at

    @property
    def name(self) -> str:
        """The name that the settings give it."""
        return self.record.name

    def look(self, now: Callable[[], float]) -> None:
        """Asks for the queue. A failed look keeps the old record: the next finds the change."""
        try:
            if self._may_be_another or self.record.unreachable_since is not None:
                self._ask_version()
            look = self.client.look()
        except ServerError as error:
            self.note_failure(error, now())
            return
        if self.record.unreachable_since is not None:
            log.info("server answers again", server=self.name)
        self.record.unreachable_since = self.record.unreachable_how = None
        before, self.record.answered_at = self.record.answered_at, now()
        away = before is None or self.record.answered_at - before > self.away_s
        self.changed = True
        self._note_pack(look, self.record.answered_at, away=away)
        self.fresh = not self._shared
        if self.fresh:
            self._note_watched(self.record.answered_at)
            self._take(look)

    def _ask_version(self) -> None:
        """Another version may run now. Whether it can tell says nothing about its queue."""
        try:
            self.record.version = self.client.info().version or self.record.version
        except ServerAnswer as error:
            log.info("it does not tell its version", server=self.name, reason=str(error))
        self._may_be_another = False

    def _note_watched(self, now: float) -> None:
        """What runs here was seen now, and not since it was seen last."""
        gap_s = 0.0 if self._seen_at is None else now - self._seen_at
        if gap_s > self.away_s:
            self.record.unwatched_s += gap_s
            self.watched_since = now
        self._seen_at = now

    def _note_pack(self, look: Look, now: float, *, away: bool) -> None:
        """Takes over what only the node pack tells: its process, its worker, what ended."""
        self._may_be_another |= note_boot(self.record, look, now)
        self._shared = self.record.is_shared(now)
        if self._shared:
            self.client.connect_anew()
        if look.boot_id is None or self._shared:
            self.told_since = None
        elif self.told_since is None or away:
            self.told_since = now
        self._note_gap(look, away=away)

    def _note_gap(self, look: Look, *, away: bool) -> None:
        """What ended meanwhile is in the notes, or history has to be searched for it."""
        if look.boot_id is None:
            self.was_away |= away
        elif look.boot_id != self._told_boot and not self._shared:
            self.was_away = not look.complete  # all that ended in its life, or not
            self._told_boot = look.boot_id
        else:
            self.was_away |= not look.complete
        self.notes.add(look.ended)

    def _take(self, look: Look) -> None:
        self.queue = look
        metrics.looked(self.name, len(look.running), len(look.pending))
        self._running = {p.prompt_id: p for p in look.running}
        self._pending = {p.prompt_id: (i, p) for i, p in enumerate(look.pending, start=1)}
        self.notes.forget([*self._running, *self._pending])

    def note_failure(self, error: ServerError, now: float) -> None:
        """The server did not answer, or not with what was asked."""
        self.fresh = False
        how = {ServerRefused: "refused", ServerTimeout: "timeout"}.get(type(error), "answer")
        metrics.look_failed(self.name, how)
        if self.record.unreachable_since is None:
            log.warning("server does not answer", server=self.name, how=how, error=str(error))
            self.record.unreachable_since = now
        self.changed |= self.record.unreachable_how != how
        self.record.unreachable_how = how

    def note_leap(self, seconds: float) -> None:
        """The database's clock was set by so many seconds, which nobody waited for an answer."""
        if self.record.unreachable_since is not None:
            self.record.unreachable_since += seconds
            self.changed = True

    @property
    def says_nothing(self) -> tuple[float, str] | None:
        """Since when and how it gives no evidence, or None where it does."""
        record = self.record
        if record.unreachable_since is not None:
            return record.unreachable_since, record.unreachable_how or "answer"
        return (record.boot_returned_at or 0.0, SHARED) if self._shared else None

    def lived_as(self, boot_id: str) -> bool:
        """True for a life of this server's own process, now or earlier."""
        return boot_id == self.record.boot_id or boot_id in self.record.earlier_boot_ids

    @property
    def worker_dead(self) -> bool:
        """True where the last look says that nothing will run before a restart."""
        return self.record.worker_dead_since is not None

    def find(self, prompt_id: str) -> tuple[Place, int | None, QueuedPrompt | None]:
        """Where the last look shows a prompt, and its position if it waits."""
        if prompt_id in self._running:
            return Place.RUNNING, None, self._running[prompt_id]
        if prompt_id in self._pending:
            position, prompt = self._pending[prompt_id]
            return Place.PENDING, position, prompt
        return Place.ABSENT, None, None

    def runs_only(self, prompt_id: str) -> bool:
        """True where this prompt, and no other, was running at the last look."""
        return [*self._running] == [prompt_id]

    def storage_healthy(self, known_outputs: Callable[[str], list[Path]]) -> bool:
        """True where the output directory can be read and is the one that it was last time.

        Another one is accepted where a file that we know is in it (the disk was changed or
        restored). Where anything is in it, it is accepted as long as we know no file, or if it
        lies where the other one lay and was made anew: an unmounted directory is empty. What a
        link leads to now is what somebody chose.
        """
        if not self.book.is_mounted:
            return True  # the server itself says of each file whether it is there
        root = self.book.root
        # A share whose server is gone hangs whoever asks it: mostly the watch has found out before.
        if not self.storage_answers():
            return self._note_storage(healthy=False)
        nowhere: tuple[str | None, str] = (None, "")
        marker, real = self._ask(lambda: (storage_marker(root), os.path.realpath(root)), nowhere)
        if marker is None:
            return self._note_storage(healthy=False)
        if marker == self._marker and self._storage_ok:
            return True
        self._marker = marker
        healthy = self._is_accepted(real, marker, known_outputs)
        if healthy and (self.record.output_dir, self.record.output_marker) != (real, marker):
            self.record.output_dir, self.record.output_marker = real, marker
            self.changed = True
        return self._note_storage(healthy=healthy)

    def _is_accepted(
        self, real: str, marker: str, known_outputs: Callable[[str], list[Path]]
    ) -> bool:
        before = self.record.output_marker
        if self.record.output_dir != real or before in (None, marker):
            return True  # the first time, another directory in the settings, or the same storage
        in_use = self._ask(lambda: _is_in_use(self.book.root), otherwise=False)
        files = known_outputs(self.name)
        if not files or (before is not None and is_same_place(before, marker) and in_use):
            return in_use
        # What cannot be looked at (no permission, a stale handle) is not there.
        return self._ask(lambda: any(map(os.path.exists, files)), otherwise=False)

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Asks the storage; `otherwise` where it hangs."""
        try:
            return self.book.storage.ask(question)
        except OutputError as error:
            log.warning("output directory hangs", server=self.name, reason=str(error))
            return otherwise

    def _note_storage(self, *, healthy: bool) -> bool:
        if healthy != self._storage_ok:
            words = "output directory is back" if healthy else "output directory is away"
            log.warning(words, server=self.name, path=os.fspath(self.book.root))
        self._storage_ok = healthy
        return healthy


def _is_in_use(folder: Path) -> bool:
    """True where something lies in it that is not hidden."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    except OSError:
        return False
