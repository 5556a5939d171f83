"""Keeps this agent's leases: by a thread and a connection of its own, whatever a pass is doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from reconciler.core.lease import UNKNOWN, Holdings, Lease, LeaseTerms
from reconciler.errors import DatabaseError
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.leases import Guard, LeaseStore

log = structlog.get_logger(__name__)

#: How long `start` and `refresh` wait for the database, in seconds.
PATIENCE_S = 3.0


def seconds() -> float:
    """A clock that never goes back and, unlike the usual one, goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Tenure:
    """Takes the leases of `servers` that are free, renews them, and says which can be trusted.

    `on_change` is called, in its thread, whenever they become others.
    """

    def __init__(
        self,
        agent: Identity,
        agents: AgentStore,
        leases: LeaseStore,
        terms: LeaseTerms,
        *,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = seconds,
    ) -> None:
        self.agent = agent
        self._agents = agents
        self._leases = leases
        self._terms = terms
        self._on_change = on_change
        self._clock = clock
        self._wanted: Sequence[str] = [*agent.servers, UNKNOWN]
        self._holdings = Holdings(terms)
        self._lock = threading.Lock()
        self._looked_at: dict[str, float] = {}
        self._round_due_s = self._renewal_due_s = 0.0
        self._failing = self._standing_by = False
        self._mismatch: str | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._rounds = threading.Condition()
        self._round_number = 0
        self._thread = threading.Thread(target=self._run, name="tenure", daemon=True)

    def start(self) -> None:
        """Takes what is free, and begins to keep it."""
        self._thread.start()
        self._await_round(1)

    def held(self) -> frozenset[Lease]:
        """The leases that we were given and have not been seen to lose."""
        with self._lock:
            return self._holdings.leases

    def trusted(self) -> frozenset[Lease]:
        """The leases that nobody else can have at this moment."""
        with self._lock:
            return self._holdings.trusted(self._clock())

    def trusts(self, lease: Lease) -> bool:
        """True while this one is certainly ours."""
        return lease in self.trusted()

    def guard(self, leases: frozenset[Lease]) -> Guard:
        """The check of these leases in each change that is made under them."""
        return self._leases.guard(leases)

    def note_looks(self, looked_at: dict[str, float]) -> None:
        """When the last looks began that were answered cleanly, and whose finds are stored."""
        with self._lock:
            self._looked_at.update(looked_at)

    def refresh(self) -> None:
        """A change was refused: asks at once what is still ours, and waits for the answer."""
        number = self._round_number
        self._renewal_due_s = 0.0
        self._wake.set()
        self._await_round(number + 1)

    def stop(self) -> None:
        """Gives everything back, so that others need not wait. Call it after the last change."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            return  # the database does not answer: they expire
        try:
            self._leases.release()
            self._agents.forget(self.agent)
        except DatabaseError as error:
            log.warning("leases not given back: they expire", error=str(error))
        self._agents.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            before = self.held(), self.trusted()
            self._round()
            with self._rounds:
                self._round_number += 1
                self._rounds.notify_all()
            if (self.held(), self.trusted()) != before:
                self._on_change()
            self._wake.wait(self._pause_s())
            self._wake.clear()

    def _round(self) -> None:
        try:
            if self._clock() >= self._renewal_due_s:
                self._renew()
            if self._mismatch is None:
                self._acquire()
            self._failing = False
        except DatabaseError as error:
            if not self._failing:
                log.warning("leases not renewed; trying again", error=str(error))
            self._failing = True
        except Exception:  # a defect of ours must not cost the leases without a word
            log.exception("a defect: please report it; trying again")

    def _renew(self) -> None:
        self._check_revision()
        with self._lock:
            leases, looked_at = sorted(self._holdings.leases, key=str), dict(self._looked_at)
        asked_at_s = self._clock()
        ours = self._leases.renew(leases, looked_at, self._mismatch)
        with self._lock:
            lost = self._holdings.renewed(leases, ours, asked_at_s)
            for lease in lost:
                self._looked_at.pop(lease.server, None)
        if lost:
            servers = sorted(lease.server for lease in lost)
            log.warning("another agent reconciles these servers now", servers=servers)
        if self._renewal_due_s == 0.0:
            self._leases.name(self._wanted)
            self._agents.forget_dead(self.agent)
        self._renewal_due_s = asked_at_s + self._terms.renew_s

    def _acquire(self) -> None:
        with self._lock:
            held = {lease.server for lease in self._holdings.leases}
        wanted = [server for server in self._wanted if server not in held]
        if not wanted:
            return
        asked_at_s = self._clock()
        epochs = self._leases.acquire(wanted)
        with self._lock:
            self._holdings.granted(epochs, asked_at_s)
        if epochs:
            log.info("reconciling", servers=sorted(epochs))
        self._note_standing_by([server for server in wanted if server not in epochs])

    def _note_standing_by(self, servers: list[str]) -> None:
        """Says once that others have what this agent would take."""
        servers = [server for server in servers if server != UNKNOWN]
        if servers and not self._standing_by:
            log.info("standing by: another agent reconciles these servers", servers=servers)
        self._standing_by = bool(servers)

    def _check_revision(self) -> None:
        """Somebody may have brought our own tables to another version: they are not ours then."""
        revision = self._leases.revision()
        if revision == self.agent.revision:
            if self._mismatch is not None:
                log.info("our own tables are of this version again", revision=revision)
            self._mismatch = None
        elif self._mismatch is None:
            self._note_mismatch(
                f"the database is at revision {revision}, and this is {self.agent.revision}"
            )

    def _note_mismatch(self, words: str) -> None:
        """Nothing is written any more: what is ours goes back, if it can be said."""
        self._mismatch = f"{words}: waiting until both are the same again; upgrade this host"
        log.error("another version of our own tables: nothing is written", reason=self._mismatch)
        with self._lock:
            self._holdings.clear()
        self._leases.release()

    def _pause_s(self) -> float:
        """Seconds to the next round: those who lack something look more often."""
        with self._lock:
            lacking = len(self._holdings.leases) < len(self._wanted)
        due_s = max(self._renewal_due_s - self._clock(), 0.01)
        return min(due_s, self._terms.poll_s) if lacking or self._failing else due_s

    def _await_round(self, number: int) -> None:
        with self._rounds:
            self._rounds.wait_for(lambda: self._round_number >= number, PATIENCE_S)
