"""Builds the parts from the settings: what `run` and `once` have in common."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.comfyui.view import Viewer
from reconciler.core.naming import NamePatterns
from reconciler.errors import SettingsError
from reconciler.outputs.pool import Inspectors
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.fetched import FetchedBook, Transfer
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import Reconciler
from reconciler.reconcile.servers import WatchedServer, away_after_s
from reconciler.service.inspecting import limits_of, wanted_of
from reconciler.settings import ServerSettings, Settings, stored_path_of
from reconciler.store import Store, open_store
from reconciler.store.embedded import ensure_running
from reconciler.store.servers import ServerRecord


@dataclass
class Parts:
    """Everything that a pass needs, and how to let go of it."""

    settings: Settings
    store: Store
    servers: dict[str, WatchedServer]
    clock: DatabaseClock
    live: LiveSigns
    reconciler: Reconciler
    #: Threads, each of which waits for one of the processes of `pool`, or takes a digest.
    inspectors: ThreadPoolExecutor
    pool: Inspectors
    lookers: ThreadPoolExecutor
    #: Threads, each of which fetches a file from a server whose directory is not mounted.
    fetchers: ThreadPoolExecutor
    clients: list[ComfyClient] = field(default_factory=list)

    def close(self) -> None:
        """Stops running inspections and closes every connection. What they would have said is
        found again by the next start."""
        self.inspectors.shutdown(wait=False, cancel_futures=True)
        for server in self.servers.values():
            server.book.close()
        self.pool.close()
        self.fetchers.shutdown(wait=True, cancel_futures=True)
        self.inspectors.shutdown(wait=True)
        self.lookers.shutdown(wait=False, cancel_futures=True)
        for client in self.clients:
            client.close()
        self.store.connection.close()


def database_url(settings: Settings) -> str:
    """The database of the settings; without one, the embedded Postgres, started if need be."""
    return settings.database.dsn or ensure_running(settings.data_dir)


def connect(settings: Settings, *, create: bool = True) -> Store:
    """The store of these settings. Raises DatabaseError and TableError."""
    return open_store(
        database_url(settings),
        jobs_table=settings.database.jobs_table,
        connect_timeout_s=settings.database.connect_timeout_s,
        statement_timeout_s=settings.database.statement_timeout_s,
        create=create,
    )


def address_of(server: ServerSettings) -> ServerAddress:
    """Where a server is and how to introduce oneself to it."""
    return ServerAddress(
        name=server.name, url=server.url, headers=server.request_headers(), tls_ca=server.tls_ca
    )


def client_of(settings: Settings, server: ServerSettings) -> ComfyClient:
    """A client for one server."""
    return ComfyClient(
        address_of(server),
        connect_timeout_s=settings.comfyui.connect_timeout_s,
        timeout_s=settings.comfyui.timeout_s,
        max_answer_bytes=settings.comfyui.max_answer_bytes,
    )


def require_servers(settings: Settings) -> None:
    """Raises SettingsError where there is no server: before a database is started for nothing."""
    if not settings.servers:
        raise SettingsError(
            "no ComfyUI server is named: use --server URL --output-dir DIR, or list `servers` in"
            " the settings file (config/reconciler.yaml shows how)"
        )


def build(settings: Settings, store: Store, on_answer: Callable[[Path], None]) -> Parts:
    """The parts for these settings. `on_answer` hears of each finished inspection, in a thread.

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
    records = {record.name: record for record in store.servers.all()}
    patterns = NamePatterns(settings.attribution.patterns)
    servers: dict[str, WatchedServer] = {}
    clients: list[ComfyClient] = []
    for server in settings.servers:
        client = client_of(settings, server)
        clients.append(client)
        book = _book_of(settings, server, fetchers)(
            server.name,
            _root(settings, server),
            store=store.outputs,
            inspections=inspections,
            inspect=pool.inspect,
            on_answer=on_answer,
            clock=clock,
            unsound_confirm_s=settings.outputs.unsound_confirm_s,
            patterns=patterns,
            wanted=wanted_of(settings),
        )
        record = records.get(server.name) or ServerRecord(server.name, server.url)
        record.move_to(server.url)
        servers[server.name] = WatchedServer(
            record, client, book, _stored_path(server, book.root), own_client_id(server.name),
            away_s=away_after_s(settings.reconcile.interval_s),
        )  # fmt: skip
    gatherer = Gatherer(
        store, servers, clock, live, _file_evidence(settings, servers, store, clock), lookers,
        watching_since=clock.now(),
    )  # fmt: skip
    reconciler = Reconciler(
        store, gatherer, clock, settings.policy(), late_s=settings.verdicts.late_success_s
    )
    return Parts(
        settings, store, servers, clock, live, reconciler, inspectors, pool, lookers, fetchers,
        clients,
    )  # fmt: skip


def own_client_id(server: str) -> str:
    """The websocket's client id: our own, and the same after a restart."""
    return f"reconciler-{socket.gethostname()}-{server}"


def _book_of(
    settings: Settings, server: ServerSettings, fetchers: ThreadPoolExecutor
) -> Callable[..., OutputBook]:
    """What makes the book of a server's files, as they lie there or as they are fetched."""
    if server.output_dir is not None:
        return OutputBook
    transfer = Transfer(
        Viewer(
            address_of(server),
            connect_timeout_s=settings.comfyui.connect_timeout_s,
            timeout_s=settings.comfyui.timeout_s,
        ),
        fetchers,
        limit_bytes=int(settings.outputs.fetch_limit_bytes),
        keep_bytes=int(settings.outputs.fetch_keep_bytes),
    )
    return partial(FetchedBook, transfer=transfer)


def _root(settings: Settings, server: ServerSettings) -> Path:
    """The output directory, resolved, as the names below it are: a file has one path."""
    if server.fetch_outputs and server.output_dir is None:
        copies = settings.data_dir / "fetched" / quote(server.name, safe="")
        copies.mkdir(parents=True, exist_ok=True, mode=0o700)
        return copies.resolve()
    if server.output_dir is None:
        raise SettingsError(
            f"server {server.name}: `output_dir` is not set. Without ComfyUI's output directory no"
            " file can be checked, and nothing could ever be called completed. Where it cannot be"
            " seen from here, `fetch_outputs: true` fetches the files from ComfyUI"
        )
    return server.output_dir.resolve()


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


def _stored_path(server: ServerSettings, root: Path) -> Callable[[Path], str]:
    def stored(path: Path) -> str:
        return stored_path_of(server, PurePosixPath(path.relative_to(root)))

    return stored
