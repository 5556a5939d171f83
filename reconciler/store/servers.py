"""What we remember of each ComfyUI server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reconciler.store.clean import clean_text
from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: How long one process alone must have answered after another one came back, in seconds.
SHARED_S = 3600.0


@dataclass(slots=True)
class ServerRecord:
    """A server as seen last. Times: seconds since the epoch by the database's clock."""

    name: str
    url: str
    version: str | None = None
    unreachable_since: float | None = None
    unreachable_how: str | None = None
    answered_at: float | None = None
    output_dir: str | None = None
    output_marker: str | None = None
    #: The life of ComfyUI's process that the node pack told last, and those before it, newest last.
    boot_id: str | None = None
    earlier_boot_ids: list[str] = field(default_factory=list)
    #: Another life than the one before was told that had been told earlier: several servers.
    boot_returned_at: float | None = None
    #: Since when no prompt worker has lived in this life, which had one.
    worker_dead_since: float | None = None
    #: Seconds, in all, in which nobody saw what runs there: it did not answer, or nobody looked.
    unwatched_s: float = 0.0
    #: What keys of its files begin with (`store.spaces`); empty for plain paths, None: not settled.
    space: str | None = None

    def is_shared(self, now: float) -> bool:
        """True while nothing may be concluded: several processes answer behind the address."""
        returned_at = self.boot_returned_at
        return returned_at is not None and now - returned_at < SHARED_S

    def move_to(self, url: str) -> None:
        """The settings say where it is. At another address another process answers."""
        if url != self.url:
            self.url = url
            self.boot_id = self.boot_returned_at = self.worker_dead_since = None
            self.earlier_boot_ids = []


class ServerStore:
    """Servers in Postgres. Every method raises DatabaseError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[ServerRecord]:
        """Every server ever seen, by name."""
        with self._connection.transaction() as cursor:
            cursor.execute(query("servers"))
            return [ServerRecord(**row) for row in cursor.fetchall()]

    def settle_space(self, record: ServerRecord, root: Path, machine: str, *, shared: bool) -> str:
        """The space of the files below this server's directory, settled when it is asked for first.

        Where a server of another machine has a directory of that name, this one has a space of its
        own; not where the storage is `shared` by hosts, on which one name means one file.
        """
        values = {
            "name": clean_text(record.name),
            "url": clean_text(record.url),
            "root": clean_text(str(root)),
            "machine": machine,
            "shared": shared,
        }
        with self._connection.transaction() as cursor:
            cursor.execute(query("lock_spaces"))
            cursor.execute(query("settle_space"), values)
            row = cursor.fetchone()
        return "" if row is None else str(row["space"])

    def save(self, servers: Iterable[ServerRecord]) -> None:
        """Stores servers as they are now."""
        with self._connection.writing() as cursor:
            for server in servers:
                values = asdict(server)
                for name in ("version", "output_dir", "output_marker", "boot_id"):
                    if values[name] is not None:
                        values[name] = clean_text(values[name])
                cursor.execute(query("save_server"), values)
