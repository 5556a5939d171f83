"""The background service: hears hints, runs passes, and stops when told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from reconciler.comfyui.events import (
    Connected,
    Disconnected,
    Ended,
    NodeHeard,
    ProgressHeard,
    SocketEvent,
    StartHeard,
    StatusHeard,
)
from reconciler.comfyui.socket import ComfySocket, SocketTiming
from reconciler.errors import DatabaseError, OutputError
from reconciler.inbox import EVERYTHING, Inbox
from reconciler.outputs.scan import Scan, scan
from reconciler.outputs.watch import Change, OutputWatch
from reconciler.reconcile.passes import PassReport
from reconciler.reconcile.servers import WatchedServer
from reconciler.service.arrivals import Arrivals
from reconciler.service.wiring import Parts, address_of, build
from reconciler.settings import ServerSettings, Settings
from reconciler.store import Store
from reconciler.systemd import notify, watchdog_interval_s

log = structlog.get_logger(__name__)

#: How often the rows are read for what applications did, in seconds: no server is asked for it.
ROWS_S = 1.0
#: Files older than the oldest open job by more than this are nobody's we look for, in seconds.
SCAN_MARGIN_S = 300.0
#: First and longest wait after the database failed, in seconds.
DATABASE_RETRY_S = (0.5, 30.0)


@dataclass(frozen=True, slots=True)
class LookAt:
    """Topic: this server's queue has changed."""

    server: str


@dataclass(frozen=True, slots=True)
class FileChanged:
    """Topic: an event named this file."""

    server: str
    path: Path
    closed: bool


@dataclass(frozen=True, slots=True)
class Inspected:
    """Topic: there is an answer about this file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Scanned:
    """Topic: a listing of this server's output directory is finished."""

    server: str


class Service:
    """One reconciler. `run` blocks until `stop` is called from another thread or a signal."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._inbox = Inbox()
        self._parts: Parts = build(settings, store, lambda path: self._inbox.put(Inspected(path)))
        self._stopping = threading.Event()
        # A thread for each: a share that hangs must not keep the others from being listed.
        self._scanner = ThreadPoolExecutor(len(settings.servers), "scan")
        self._scans: dict[str, Future[Scan]] = {}
        self._started_at = self._parts.clock.now()
        self._arrivals = {
            name: Arrivals(
                server.book,
                settings.outputs.settle_s,
                on_growth=lambda name=name: self._parts.live.growth(name),  # type: ignore[misc]
            )
            for name, server in self._parts.servers.items()
        }
        self._watches: dict[str, OutputWatch] = {}
        self._sockets: list[ComfySocket] = []
        for server in settings.servers:
            self._listen(server)
        self._next_look_s = self._next_scan_s = 0.0
        self._oldest_open: float | None = None

    def run(self) -> None:
        """Watches and reconciles until stopped. Database trouble is waited out, nothing is lost."""
        for watch in self._watches.values():
            watch.start()
        for channel in self._sockets:
            channel.start()
        notify("READY=1")
        log.info("watching", servers=list(self._parts.servers))
        try:
            self._loop()
        finally:
            self._close()

    def stop(self) -> None:
        """Asks `run` to return. May be called from a signal handler."""
        self._stopping.set()
        self._inbox.close()

    def _loop(self) -> None:
        wait_s = DATABASE_RETRY_S[0]
        self._inbox.put(EVERYTHING)
        watchdog_s = watchdog_interval_s()
        while not self._stopping.is_set():
            if watchdog_s is not None:
                notify("WATCHDOG=1")
            try:
                self._turn()
                wait_s = DATABASE_RETRY_S[0]
            except DatabaseError as error:
                log.error("database failed; trying again", wait_s=wait_s, error=str(error))
                self._stopping.wait(min(wait_s, watchdog_s or wait_s))
                wait_s = min(wait_s * 2, DATABASE_RETRY_S[1])
                self._inbox.put(EVERYTHING)
            except Exception:  # a defect of ours must not end the watching of everything else
                log.exception("a defect: please report it; trying again", wait_s=wait_s)
                self._stopping.wait(min(wait_s, watchdog_s or wait_s))
                wait_s = min(wait_s * 2, DATABASE_RETRY_S[1])

    def _turn(self) -> None:
        """Waits for hints or the time, and does what they ask for."""
        topics = self._inbox.take(self._wait_s(), self._settings.reconcile.batch_s)
        if self._stopping.is_set():
            return
        for topic in topics:
            if isinstance(topic, FileChanged):
                self._arrivals[topic.server].note(
                    topic.path,
                    closed=topic.closed,
                    close_will_come=self._watches[topic.server].kind == "inotify",
                )
            elif isinstance(topic, Scanned):
                self._take_scan(topic.server)
        for arrivals in self._arrivals.values():
            arrivals.tick()
        everything = EVERYTHING in topics
        now_s = time.monotonic()
        if everything or now_s >= self._next_scan_s:
            self._next_scan_s = now_s + self._settings.watch.rescan_s
            self._next_look_s = 0.0
            self._scan()
            everything = True
        self._reconcile({topic.server for topic in topics if isinstance(topic, LookAt)}, everything)

    def _reconcile(self, servers: set[str], everything: bool) -> None:
        now_s = time.monotonic()
        look_all = everything or now_s >= self._next_look_s
        if look_all:
            self._next_look_s = now_s + self._settings.reconcile.interval_s
        report = self._parts.reconciler.run_pass(
            None if look_all else servers, search_history=everything
        )
        self._note(report)

    def _note(self, report: PassReport) -> None:
        if report.conflicts:
            self._inbox.put(EVERYTHING)
        if report.changes:
            notify(f"STATUS={report.judged} jobs watched; {report.changes[-1].reason}"[:500])
        self._oldest_open = report.oldest_open

    def _wait_s(self) -> float:
        """Seconds until something is due without a hint."""
        now_s = time.monotonic()
        waits = [ROWS_S, self._next_look_s - now_s, self._next_scan_s - now_s]
        waits += [due for a in self._arrivals.values() if (due := a.due_s()) is not None]
        return max(0.0, min(waits))

    def _scan(self) -> None:
        """Lists the output directories, in a thread: storage may be slow."""
        oldest = self._started_at if self._oldest_open is None else self._oldest_open
        for name, server in self._parts.servers.items():
            watch = self._watches.get(name)
            if watch is None or name in self._scans or not watch.healthy:
                continue
            newer_than = min(oldest, self._started_at) - SCAN_MARGIN_S
            future = self._scanner.submit(scan, server.book.root, newer_than=newer_than)
            self._scans[name] = future
            future.add_done_callback(lambda _, name=name: self._inbox.put(Scanned(name)))  # type: ignore[misc]

    def _take_scan(self, name: str) -> None:
        future = self._scans.pop(name, None)
        if future is None or future.cancelled():
            return
        try:
            found = future.result()
        except OutputError as error:
            log.warning("output directory not listed", server=name, reason=str(error))
            return
        for problem in found.problems:
            log.warning("part of the output directory not listed", server=name, reason=problem)
        self._arrivals[name].note_scan(found)

    def _listen(self, server: ServerSettings) -> None:
        watched = self._parts.servers[server.name]
        if watched.book.is_mounted:
            self._watch(watched)
        if not self._settings.comfyui.socket:
            return
        channel = ComfySocket(
            address_of(server),
            watched.client_id or "reconciler",
            lambda event: self._on_socket(server.name, event),
            timing=SocketTiming(silence_s=self._settings.comfyui.socket_silence_s),
        )
        watched.listening_since = lambda: channel.listening_since
        self._sockets.append(channel)

    def _watch(self, server: WatchedServer) -> None:
        watch = OutputWatch(
            server.book.root,
            lambda change: self._on_change(server.name, change),
            lambda words: self._on_lost(server.name, words),
            observer=self._settings.watch.observer,
            poll_interval_s=self._settings.watch.poll_interval_s,
        )
        self._watches[server.name] = watch
        server.storage_answers = lambda: watch.healthy

    def _on_change(self, server: str, change: Change) -> None:
        if change.manifest:
            self._parts.servers[server].manifests.hear(change.path.name)
            self._inbox.put(LookAt(server))
            return
        self._parts.live.growth(server)
        self._inbox.put(FileChanged(server, change.path, change.closed))

    def _on_lost(self, server: str, words: str) -> None:
        log.warning("events may be missing: listing everything", server=server, reason=words)
        self._inbox.put(EVERYTHING)

    def _on_socket(self, server: str, event: SocketEvent) -> None:
        live = self._parts.live
        match event:
            case ProgressHeard(prompt_id, node_id, value, maximum, nodes_done, node_type):
                live.progress(prompt_id, node_id, value, maximum, nodes_done, node_type=node_type)
            case NodeHeard(prompt_id, node_id, nodes_done, node_type):
                live.node(prompt_id, node_id, nodes_done, node_type=node_type)
            case StatusHeard() | StartHeard() | Ended() | Connected():
                self._inbox.put(LookAt(server))
            case Disconnected():  # it may come back with the node pack, or as another version
                self._parts.servers[server].client.reconnected()

    def _close(self) -> None:
        notify("STOPPING=1")
        for channel in self._sockets:
            channel.stop()
        for watch in self._watches.values():
            watch.stop()
        self._scanner.shutdown(wait=False, cancel_futures=True)
        self._parts.close()
        log.info("stopped")
