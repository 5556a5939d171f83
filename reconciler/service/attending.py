"""The servers that this agent attends to: made when their lease is taken, let go when it is lost.

What was known of a server under an earlier lease is not taken up again: another agent may have seen
more of it meanwhile, and stored that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import structlog

from reconciler import metrics
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.comfyui.view import Viewer
from reconciler.core.lease import Lease
from reconciler.core.naming import NamePatterns
from reconciler.errors import OutputError, SettingsError
from reconciler.outputs.mounts import is_shared, machine
from reconciler.outputs.pool import Inspectors
from reconciler.outputs.storage import Storage
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.fetched import FetchedBook, Transfer
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.servers import WatchedServer, away_after_s
from reconciler.service.inspecting import wanted_of
from reconciler.service.tenure import Tenure
from reconciler.settings import ServerSettings, Settings, stored_path_of
from reconciler.settings.places import copies_dir
from reconciler.store import Store
from reconciler.store.connection import Cursor
from reconciler.store.leases import Guarded
from reconciler.store.outputs import OutputStore
from reconciler.store.servers import ServerRecord
from reconciler.store.turns import Turns

log = structlog.get_logger(__name__)


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


def own_client_id(agent: str, server: str) -> str:
    """The websocket's client id: our own, and the same after a restart."""
    return f"reconciler-{agent}-{server}"


@dataclass
class Tools:
    """What files are inspected and fetched with, for all servers."""

    clock: DatabaseClock
    inspections: Inspections
    pool: Inspectors
    #: Threads, each of which fetches a file from a server whose directory is not mounted.
    fetchers: ThreadPoolExecutor
    #: With other agents that see the same files.
    turns: Turns
    #: Hears of each finished inspection, in a thread.
    on_answer: Callable[[Path], None]


@dataclass
class _Shared:
    """The book of one directory, and the leases of the servers that write there."""

    book: OutputBook
    leases: dict[str, Lease] = field(default_factory=dict)


class Attended:
    """The servers under lease. Belongs to the thread of the passes: not thread-safe."""

    def __init__(self, settings: Settings, store: Store, tools: Tools, tenure: Tenure) -> None:
        """Raises SettingsError for a server whose files cannot be had."""
        self._settings = settings
        self._store = store
        self._tools = tools
        self._tenure = tenure
        self._by_name = {server.name: server for server in settings.servers}
        self._roots = {server.name: _root(settings, server) for server in settings.servers}
        self._books: dict[Path, _Shared] = {}
        self._clients: dict[str, ComfyClient] = {}
        #: For the passes: changed here alone, between two of them.
        self.servers: dict[str, WatchedServer] = {}

    def begin(self, lease: Lease) -> WatchedServer:
        """The server of this lease, as whoever attended to it before left it. Raises
        DatabaseError."""
        server = self._by_name[lease.server]
        records = {record.name: record for record in self._store.servers.all()}
        record = records.get(server.name) or ServerRecord(server.name, server.url)
        record.move_to(server.url)
        client = self._clients[server.name] = client_of(self._settings, server)
        self._settle_space(record)
        book = self._book(server, lease)
        watched = self.servers[server.name] = WatchedServer(
            record, client, book, _stored_path(server, book.root),
            own_client_id(self._tenure.agent.name, server.name),
            away_s=away_after_s(self._settings.reconcile.interval_s),
            trusted=lambda: self._tenure.trusts(lease),
            begun_at=self._tools.clock.now(),
        )  # fmt: skip
        return watched

    @property
    def roots(self) -> set[Path]:
        """The output directories of all servers of the settings."""
        return set(self._roots.values())

    def settings_of(self, name: str) -> ServerSettings:
        """What the settings say of a server."""
        return self._by_name[name]

    def end(self, name: str) -> None:
        """Lets go of a server: nothing more is asked of it or stored about its files."""
        self.servers.pop(name)
        metrics.forget_server(name)
        self._clients.pop(name).close()
        root = self._roots[name]
        shared = self._books[root]
        del shared.leases[name]
        if not shared.leases:
            self._books.pop(root).book.close()

    def close(self) -> None:
        """Lets go of all."""
        for name in list(self.servers):
            self.end(name)

    def _settle_space(self, record: ServerRecord) -> None:
        """Other hosts may have a directory of the same name, with other files.

        Storage that hangs is not waited for: what was settled stands. What is seen first while it
        hangs has plain paths, as storage that is shared has.
        """
        server, root = self._by_name[record.name], self._roots[record.name]
        if server.output_dir is None:
            return
        space = record.space or ""
        try:
            real, shared = Storage(root).ask(
                lambda: (Path(os.path.realpath(root)), is_shared(root))
            )
            space = self._store.servers.settle_space(record, real, machine(), shared=shared)
        except OutputError as error:
            log.warning("output directory hangs", server=server.name, reason=str(error))
        self._store.outputs.spaces.put(root, space)

    def _book(self, server: ServerSettings, lease: Lease) -> OutputBook:
        """One for each directory, whoever writes there: a file is inspected once."""
        root = self._roots[server.name]
        shared = self._books.get(root)
        if shared is None:
            leases: dict[str, Lease] = {}
            shared = self._books[root] = _Shared(self._new_book(server, root, leases), leases)
        shared.leases[server.name] = lease
        return shared.book

    def _new_book(self, server: ServerSettings, root: Path, leases: dict[str, Lease]) -> OutputBook:
        def guard(cursor: Cursor) -> None:
            self._tenure.guard(frozenset(leases.values()))(cursor)

        tools = self._tools
        return _kind_of_book(self._settings, server, tools.fetchers)(
            server.name,
            root,
            store=OutputStore(Guarded(self._store.connection, guard), self._store.outputs.spaces),
            inspections=tools.inspections,
            inspect=tools.pool.inspect,
            on_answer=tools.on_answer,
            clock=tools.clock,
            unsound_confirm_s=self._settings.outputs.unsound_confirm_s,
            patterns=NamePatterns(self._settings.attribution.patterns),
            wanted=wanted_of(self._settings),
            turns=tools.turns,
        )


def _kind_of_book(
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
    """The output directory, by the name that was given: a link may be pointed elsewhere."""
    if server.fetch_outputs and server.output_dir is None:
        copies = copies_dir(settings.data_dir, server.name)
        copies.mkdir(parents=True, exist_ok=True, mode=0o700)
        return copies
    if server.output_dir is None:
        raise SettingsError(
            f"server {server.name}: `output_dir` is not set. Without ComfyUI's output directory no"
            " file can be checked, and nothing could ever be called completed. Where it cannot be"
            " seen from here, `fetch_outputs: true` fetches the files from ComfyUI"
        )
    return server.output_dir.absolute()


def _stored_path(server: ServerSettings, root: Path) -> Callable[[Path], str]:
    def stored(path: Path) -> str:
        return stored_path_of(server, PurePosixPath(path.relative_to(root)))

    return stored
