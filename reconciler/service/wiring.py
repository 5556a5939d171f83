"""Builds the parts from the settings: what `run` and `once` have in common."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.outputs.pool import Inspectors
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import Reconciler
from reconciler.reconcile.servers import WatchedServer
from reconciler.service.attending import Attended, Tools
from reconciler.service.inspecting import limits_of
from reconciler.service.tenure import Tenure
from reconciler.settings import Settings
from reconciler.store import Store, open_configured
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.connection import Connection
from reconciler.store.embedded import ensure_running
from reconciler.store.leases import LeaseStore
from reconciler.store.revision import newest_revision
from reconciler.store.turns import Turns


@dataclass
class Parts:
    """Everything that a pass needs, and how to let go of it."""

    settings: Settings
    store: Store
    attended: Attended
    turns: Turns
    clock: DatabaseClock
    live: LiveSigns
    reconciler: Reconciler
    inspections: Inspections
    #: Threads, each of which waits for one of the processes of `pool`, or takes a digest.
    inspectors: ThreadPoolExecutor
    pool: Inspectors
    lookers: ThreadPoolExecutor
    #: Threads, each of which fetches a file from a server whose directory is not mounted.
    fetchers: ThreadPoolExecutor

    @property
    def servers(self) -> dict[str, WatchedServer]:
        """Those that are attended to now."""
        return self.attended.servers

    def close(self) -> None:
        """Stops running inspections and closes every connection. What they would have said is
        found again by the next start."""
        self.inspectors.shutdown(wait=False, cancel_futures=True)
        self.attended.close()
        self.pool.close()
        self.fetchers.shutdown(wait=True, cancel_futures=True)
        self.inspectors.shutdown(wait=True)
        self.lookers.shutdown(wait=False, cancel_futures=True)
        self.turns.close()
        self.store.close()


def database_url(settings: Settings) -> str:
    """The database of the settings; without one, the embedded Postgres, started if need be."""
    return settings.database.dsn or ensure_running(settings.data_dir)


def connect(settings: Settings, *, create: bool = True) -> Store:
    """The store of these settings. Raises DatabaseError and TableError."""
    return open_configured(database_url(settings), settings, create=create)


def require_servers(settings: Settings) -> None:
    """Raises SettingsError where there is no server: before a database is started for nothing."""
    if not settings.servers:
        raise SettingsError(
            "no ComfyUI server is named: use --server URL --output-dir DIR, or list `servers` in"
            " the settings file (config/reconciler.yaml shows how)"
        )


def tenure_of(
    settings: Settings, store: Store, on_change: Callable[[], None] = lambda: None
) -> Tenure:
    """What keeps this agent's leases, on a connection of its own. Raises DatabaseError."""
    database = settings.database
    direct_url = database.direct_dsn if database.own_url is None else None
    connection = Connection(
        direct_url or store.connection.url,
        connect_timeout_s=database.connect_timeout_s,
        statement_timeout_s=min(database.statement_timeout_s, settings.agent.terms.lease_s),
        idle_timeout_s=settings.agent.terms.idle_s,
        own_schema=store.connection.own_schema,
    )
    agents = AgentStore(connection, is_direct=direct_url is not None)
    agent = Identity(
        settings.agent.name or socket.gethostname(),
        newest_revision(),
        tuple(server.name for server in settings.servers),
    )
    terms = settings.agent.terms
    leases = LeaseStore(connection, agents, agent, terms)
    return Tenure(agent, agents, leases, terms, on_change=on_change)


def build(
    settings: Settings, store: Store, tenure: Tenure, on_answer: Callable[[Path], None]
) -> Parts:
    """The parts for these settings, which attend to no server yet (see `Attended.begin`).
    `on_answer` hears of each finished inspection, in a thread.

    Raises SettingsError where there is no server, or one without an output directory.
    """
    require_servers(settings)
    clock, live = DatabaseClock(), LiveSigns()
    clock.set(store.jobs.now())
    # One more than are let work on large files: small ones do not wait for a film.
    workers = settings.inspection.workers + 1
    inspectors = ThreadPoolExecutor(workers, "inspect")
    pool = Inspectors(workers, limits_of(settings))
    inspections = Inspections(inspectors, settings.inspection.workers)
    lookers = ThreadPoolExecutor(len(settings.servers), "look")
    fetchers = ThreadPoolExecutor(len(settings.servers), "fetch")
    turns = Turns(store.connection, settings.agent.takeover_s)
    tools = Tools(clock, inspections, pool, fetchers, turns, on_answer)
    attended = Attended(settings, store, tools, tenure)
    servers = attended.servers
    gatherer = Gatherer(
        store, servers, clock, live, _file_evidence(settings, servers, store, clock), lookers,
        watching_since=clock.now(),
    )  # fmt: skip
    reconciler = Reconciler(
        store, gatherer, clock, settings.policy(), late_s=settings.verdicts.late_success_s,
        progress_s=settings.reconcile.progress_s,
    )  # fmt: skip
    return Parts(
        settings,
        store,
        attended,
        turns,
        clock,
        live,
        reconciler,
        inspections,
        inspectors,
        pool,
        lookers,
        fetchers,
    )


def _file_evidence(
    settings: Settings, servers: dict[str, WatchedServer], store: Store, clock: DatabaseClock
) -> FileEvidence:
    return FileEvidence(
        servers,
        store.outputs,
        clock,
        expect=settings.expect_policy(),
        unsound_confirm_s=settings.outputs.unsound_confirm_s,
        accept_bare_job_id=settings.attribution.bare_job_id == "accept",
        arrival_grace_s=settings.outputs.missing_output_grace_s,
        accept_rewritten=settings.verdicts.rewritten == "accept",
    )
