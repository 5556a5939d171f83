"""One reconciler of a history: built as the service builds it, on simulated servers and time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from reconciler.core.expecting import ExpectPolicy
from reconciler.core.lease import UNKNOWN, Lease, LeaseTerms
from reconciler.core.policy import Policy, StallPolicy
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import PassReport, Reconciler
from reconciler.reconcile.servers import WatchedServer
from reconciler.service.tenure import Tenure
from reconciler.store import Store
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.connection import Connection
from reconciler.store.leases import Guarded, LeaseStore, all_leases
from reconciler.store.outputs import OutputStore
from reconciler.store.revision import newest_revision
from reconciler.store.servers import ServerRecord
from tests.faults.stateful.client import AWAY_S, Client
from tests.faults.stateful.comfyui import Comfy
from tests.integration.hours import InThisThread, Time
from tests.integration.reconciling import inspect_here

CONFIRM_S = 20.0
#: A lease lasts half as long.
TERMS = LeaseTerms(takeover_s=30.0)
#: Limits that differ, so that one cannot stand in for another.
POLICY = Policy(
    stall=StallPolicy(
        no_progress_s=600.0, base_s=900.0, per_frame_s=0.0, quiet_s=200.0, startup_grace_s=30.0
    ),
    missing_output_grace_s=30.0,
    lost_confirmations=5,
    lost_grace_s=60.0,
    restart_grace_s=25.0,
    never_seen_timeout_s=1300.0,
    server_down_timeout_s=1100.0,
)


class Later:
    """An executor whose work is done when the history says so."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        self._waiting.append(work)

    def do_all(self) -> None:
        while self._waiting:
            self._waiting.popleft()()


class Agent:
    """A reconciler from its start to its end: what it does not store is gone with it."""

    def __init__(
        self,
        store: Store,
        comfys: dict[str, Comfy],
        time: Time,
        before_question: Callable[[], None],
    ) -> None:
        """`store` remembers nothing but its connections, so that one serves many reconcilers."""
        self.clients = {n: Client(comfy, before_question) for n, comfy in comfys.items()}
        #: Those whose leases it holds.
        self.servers: dict[str, WatchedServer] = {}
        self._leases: frozenset[Lease] = frozenset()
        self._later = Later()
        self._store = store
        self._tenure = _tenure(store.connection.url, tuple(comfys), time)
        self._clock, live = DatabaseClock(time.monotonic), LiveSigns(time.monotonic)
        self._clock.set(self._store.jobs.now())
        outputs, pool = self._store.outputs, InThisThread()
        files = FileEvidence(self.servers, outputs, self._clock, ExpectPolicy(), CONFIRM_S)
        self._gatherer = Gatherer(
            self._store, self.servers, self._clock, live, files, pool,  # type: ignore[arg-type]
            watching_since=self._clock.now(),
        )  # fmt: skip
        self._reconciler = Reconciler(self._store, self._gatherer, self._clock, POLICY, late_s=1e7)

    def lost(self, connection: Connection, leases: list[dict[str, Any]]) -> set[str]:
        """The servers under whose leases it would change something through this connection, and
        that are another's by now."""
        if connection is not self._store.connection:
            return set()
        held = {(r["server"], r["epoch"]) for r in leases if r["agent"] == self._tenure.agent.id}
        return {each.server for each in self._leases if (each.server, each.epoch) not in held}

    def close(self, *, release: bool) -> None:
        """It is gone. Its leases expire, unless it gives them back."""
        if release:
            self._tenure.stop()
        self._tenure.close()
        self._store.close()

    def settle(self) -> None:
        """Every inspection that was asked for answers."""
        self._later.do_all()

    def run_pass(self, look_at: list[str] | None, *, search_history: bool) -> PassReport | None:
        """What the service does in one turn; None where nothing is its to judge."""
        self._tenure.round()
        gained = self._take_leases()
        if not self._leases or not self._leases <= self._tenure.trusted():
            return None
        ours, gatherer = {lease.server for lease in self._leases}, self._gatherer
        leases, now = all_leases(self._store.connection), self._clock.now()
        gatherer.remit.take(leases, ours, unknown=UNKNOWN in ours, now=now)
        gatherer.looks.begin(now)
        report = self._reconciler.run_pass(
            None if gained else look_at, search_history=search_history or gained
        )
        self._tenure.note_looks(gatherer.looks.clean())
        return report

    def scan(self) -> None:
        """A listing of the output directories, as the service makes now and then."""
        for name, server in self.servers.items():
            for path in sorted(self.clients[name].comfy.mount.glob("*.png")):
                server.book.look_up(server.book.root / path.name, urgent=False)

    def _take_leases(self) -> bool:
        """Attends to the servers that became its own, and lets go of the others. True where any
        became its own."""
        held = self._tenure.held()
        for lease in self._leases - held:
            self.servers.pop(lease.server, None)
        gained = held - self._leases
        self._leases = held
        records = {r.name: r for r in self._store.servers.all()} if gained else {}
        for lease in gained:
            if lease.server != UNKNOWN:
                self.servers[lease.server] = self._watched(lease, records.get(lease.server))
        self._store.connection.guard = self._tenure.guard(held)
        return bool(gained)

    def _watched(self, lease: Lease, record: ServerRecord | None) -> WatchedServer:
        name, client = lease.server, self.clients[lease.server].anew()
        self.clients[name] = client
        guard = self._tenure.guard(frozenset({lease}))
        book = OutputBook(
            name,
            client.comfy.mount.resolve(),
            store=OutputStore(Guarded(self._store.connection, guard)),
            inspections=Inspections(self._later),  # type: ignore[arg-type]
            inspect=inspect_here,
            on_answer=lambda path: None,
            clock=self._clock,
            unsound_confirm_s=CONFIRM_S,
        )
        return WatchedServer(
            record or ServerRecord(name, f"http://{name}.invalid"), client, book, str,
            client_id="ours", away_s=AWAY_S, trusted=lambda: self._tenure.trusts(lease),
            begun_at=self._clock.now(),
        )  # fmt: skip


class _Rounds(Tenure):
    """The service's own, without its thread: a round is made before each pass."""

    def round(self) -> None:
        self._round()

    def close(self) -> None:
        self._agents.close()


def _tenure(url: str, servers: tuple[str, ...], time: Time) -> _Rounds:
    connection = Connection(url, connect_timeout_s=5.0, statement_timeout_s=5.0)
    agents = AgentStore(connection, is_direct=True)
    agent = Identity("agent", newest_revision(), servers)
    leases = LeaseStore(connection, agents, agent, TERMS)
    return _Rounds(agent, agents, leases, TERMS, clock=time.monotonic)
