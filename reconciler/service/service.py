"""The background service: hears hints, runs passes, and stops when told."""

from __future__ import annotations

import threading
import time

import structlog

from reconciler import metrics
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
from reconciler.core.lease import UNKNOWN, Lease
from reconciler.errors import DatabaseError, LeaseLost
from reconciler.inbox import EVERYTHING, Inbox
from reconciler.reconcile.passes import PassReport
from reconciler.reconcile.servers import WatchedServer
from reconciler.retention.keeper import Quiet
from reconciler.service.attending import address_of
from reconciler.service.directories import Directories
from reconciler.service.keeping import keeper_of
from reconciler.service.telling import sender_of
from reconciler.service.topics import FileChanged, Inspected, LeasesChanged, LookAt
from reconciler.service.web import Pulse
from reconciler.service.wiring import Parts, build, tenure_of
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.store.leases import all_leases
from reconciler.systemd import notify, watchdog_interval_s

log = structlog.get_logger(__name__)

#: How often the rows are read for what applications did, in seconds: no server is asked for it.
ROWS_S = 1.0
#: The share of the time that this may take: with very many open jobs the rows are read less often.
ROWS_SHARE = 0.1
#: Files older than the oldest open job by more than this are nobody's we look for, in seconds: the
#: clock of a file server may be an hour behind.
SCAN_MARGIN_S = 7200.0
#: First and longest wait after the database failed, in seconds.
DATABASE_RETRY_S = (0.5, 5.0)
#: Before a server that could not be attended to is tried again, in seconds.
BEGIN_AGAIN_S = 30.0


class Service:
    """One agent. `run` blocks until `stop` is called from another thread or a signal."""

    def __init__(self, settings: Settings, store: Store, pulse: Pulse | None = None) -> None:
        """`pulse` beats as long as it runs."""
        self._settings = settings
        self._pulse = pulse or Pulse()
        self._inbox = Inbox()
        self._tenure = tenure_of(settings, store, lambda: self._inbox.put(LeasesChanged()))
        self._parts: Parts = build(
            settings, store, self._tenure, lambda path: self._inbox.put(Inspected(path))
        )
        self._stopping = threading.Event()
        parts = self._parts
        self._pulse.asks_inspections = parts.inspections.verdict_waits
        self._directories = Directories(settings, parts.attended.roots, parts.live, self._inbox)
        self._sockets: dict[str, ComfySocket] = {}
        #: The leases under which passes are run: those of all servers that are attended to.
        self._leases: frozenset[Lease] = frozenset()
        self._told_trust = True
        #: Everything was to be looked at while no lease was trusted.
        self._postponed = False
        #: When to try again to attend to a server that could not be attended to, monotonic.
        self._begin_again_s: dict[str, float] = {}
        self._next_look_s = self._next_scan_s = 0.0
        self._oldest_open: float | None = None
        #: The CPU time that the last pass took.
        self._pass_s = 0.0
        self._passing = Quiet()
        self._keeper = keeper_of(settings, store, parts.attended, self._tenure, self._passing)
        self._sender = sender_of(settings, store)

    def run(self) -> None:
        """Watches and reconciles until stopped. Database trouble is waited out, nothing is lost."""
        try:
            self._tenure.start()
            self._take_leases()
            self._keeper.start()
            self._sender.start()
            notify("READY=1")
            log.info("watching", servers=list(self._parts.servers))
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
            self._pulse.beat()
            if watchdog_s is not None:
                notify("WATCHDOG=1")
            try:
                self._turn()
                wait_s = DATABASE_RETRY_S[0]
            except LeaseLost as error:
                log.warning("pass dropped", reason=str(error))
                self._tenure.refresh()
                self._inbox.put(EVERYTHING)
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
        # A pass that takes long is not begun anew for each hint: half of the time is enough.
        merge_s = max(self._settings.reconcile.batch_s, self._pass_s)
        topics = self._inbox.take(self._wait_s(), merge_s)
        if self._stopping.is_set():
            return
        everything = self._take_leases() or EVERYTHING in topics or self._postponed
        for topic in topics:
            if isinstance(topic, FileChanged):
                self._directories.note_change(topic)
        self._directories.tick()
        trusted = self._trusts_leases()
        self._postponed = everything and not trusted
        if not trusted:
            self._next_look_s = 0.0
            return
        now_s = time.monotonic()
        if everything or now_s >= self._next_scan_s:
            self._next_scan_s = now_s + self._settings.watch.rescan_s
            self._next_look_s = 0.0
            self._scan(events_lost=everything)
            everything = True
        self._reconcile({topic.server for topic in topics if isinstance(topic, LookAt)}, everything)

    def _take_leases(self) -> bool:
        """Attends to the servers that became ours, and lets go of those that are it no longer.
        True where any became ours.

        A lease that is merely not trusted now, for want of the database, is kept: if nobody took
        it meanwhile, all that is known here still stands.
        """
        held = self._tenure.held()
        for lease in self._leases - held:
            if lease.server in self._parts.servers:
                self._end(self._parts.servers[lease.server])
        gained = held - self._leases
        self._leases &= held
        for lease in sorted(gained, key=str):
            if lease.server == UNKNOWN or self._begins(lease):
                self._leases |= {lease}
        self._parts.store.connection.guard = self._tenure.guard(self._leases)
        return bool(gained & self._leases)

    def _trusts_leases(self) -> bool:
        """False where another agent may have taken one of ours by now: nothing is done then."""
        trusts = bool(self._leases) and self._leases <= self._tenure.trusted()
        if self._leases and trusts != self._told_trust:
            if trusts:
                log.info("leases renewed: going on")
            else:
                log.warning("leases are not renewed: nothing is done until they are")
        self._told_trust = trusts or not self._leases
        return trusts

    def _begins(self, lease: Lease) -> bool:
        """Attends to a server. False where that fails: the others do not wait for it, and it is
        tried again in a while."""
        if time.monotonic() < self._begin_again_s.get(lease.server, 0.0):
            return False
        try:
            self._begin(self._parts.attended.begin(lease))
        except DatabaseError:
            raise
        except Exception:  # a defect of ours, or of what its directory is
            log.exception("a server cannot be attended to; trying again", server=lease.server)
            self._begin_again_s[lease.server] = time.monotonic() + BEGIN_AGAIN_S
            if (server := self._parts.servers.get(lease.server)) is not None:
                self._end(server)
            return False
        return True

    def _begin(self, server: WatchedServer) -> None:
        self._directories.begin(server)
        if not self._settings.comfyui.socket:
            return
        channel = ComfySocket(
            address_of(self._parts.attended.settings_of(server.name)),
            server.client_id or "reconciler",
            lambda event: self._on_socket(server, event),
            timing=SocketTiming(silence_s=self._settings.comfyui.socket_silence_s),
        )
        server.listening_since = lambda: channel.listening_since
        self._sockets[server.name] = channel
        channel.start()

    def _end(self, server: WatchedServer) -> None:
        if (channel := self._sockets.pop(server.name, None)) is not None:
            channel.stop()
        self._directories.end(server)
        self._parts.attended.end(server.name)

    def _reconcile(self, servers: set[str], everything: bool) -> None:
        now_s = time.monotonic()
        look_all = everything or now_s >= self._next_look_s
        if look_all:
            self._next_look_s = now_s + self._settings.reconcile.interval_s
        gatherer, began_at = self._parts.reconciler.gatherer, self._parts.clock.now()
        gatherer.remit.take(
            all_leases(self._parts.store.connection),
            {lease.server for lease in self._leases},
            unknown=UNKNOWN in {lease.server for lease in self._leases},
            now=began_at,
        )
        self._parts.turns.alone = not gatherer.remit.others
        gatherer.looks.begin(began_at)
        cpu_s = time.thread_time()  # what is waited for, a slow server, costs nobody anything
        with self._passing, metrics.passes.time():
            report = self._parts.reconciler.run_pass(
                None if look_all else servers, search_history=everything
            )
        self._pass_s = time.thread_time() - cpu_s
        self._tenure.note_looks(gatherer.looks.clean())
        self._note(report)

    def _note(self, report: PassReport) -> None:
        if report.conflicts:
            self._next_look_s = 0.0
        if report.changes:
            notify(f"STATUS={report.judged} jobs watched; {report.changes[-1].reason}"[:500])
        self._oldest_open = report.oldest_open

    def _wait_s(self) -> float:
        """Seconds until something is due without a hint."""
        now_s = time.monotonic()
        waits = [max(ROWS_S, self._pass_s / ROWS_SHARE), *self._directories.due_s()]
        if self._told_trust and self._leases:
            waits += [self._next_look_s - now_s, self._next_scan_s - now_s]
        return max(0.0, min(waits))

    def _scan(self, *, events_lost: bool) -> None:
        """Has the output directories listed."""
        oldest = self._parts.clock.now() if self._oldest_open is None else self._oldest_open
        self._directories.scan(oldest - SCAN_MARGIN_S, events_lost=events_lost)

    def _on_socket(self, server: WatchedServer, event: SocketEvent) -> None:
        live = self._parts.live
        match event:
            case ProgressHeard(prompt_id, node_id, value, maximum, nodes_done, node_type):
                live.progress(prompt_id, node_id, value, maximum, nodes_done, node_type=node_type)
            case NodeHeard(prompt_id, node_id, nodes_done, node_type):
                live.node(prompt_id, node_id, nodes_done, node_type=node_type)
            case StatusHeard() | StartHeard() | Ended() | Connected():
                self._inbox.put(LookAt(server.name))
            case Disconnected():  # it may come back with the node pack, or as another version
                server.client.reconnected()

    def _close(self) -> None:
        """Leases go back last: until then what is under way may still be stored."""
        notify("STOPPING=1")
        self._keeper.stop()
        self._sender.stop()
        for channel in self._sockets.values():
            channel.stop()
        self._directories.close()
        self._parts.close()
        self._tenure.stop()
        log.info("stopped")
