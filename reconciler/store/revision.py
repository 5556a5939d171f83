"""Which version our own tables are of, and which one this package knows."""

from __future__ import annotations

from pathlib import Path

from reconciler.store.connection import Connection
from reconciler.store.queries import query

VERSIONS = Path(__file__).with_name("migrations") / "versions"


def known_revisions() -> list[str]:
    """The revisions that this package brings, the oldest first: its files' names begin so."""
    return sorted(file.stem.partition("_")[0] for file in VERSIONS.glob("[0-9]*_*.py"))


def newest_revision() -> str:
    """The revision that this package works with."""
    return known_revisions()[-1]


def found_revision(connection: Connection) -> str | None:
    """The revision of the database; None without our own tables. Raises DatabaseError."""
    with connection.transaction() as cursor:
        cursor.execute(query("has_revision"))
        row = cursor.fetchone()
        if row is None or not row["there"]:
            return None
        cursor.execute(query("revision"))
        row = cursor.fetchone()
    return None if row is None else str(row["revision"])
