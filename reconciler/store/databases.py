"""The database of the rows and that of our own tables: mostly one, and then one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.store.connection import Connection, Cursor


@dataclass(frozen=True, slots=True)
class Databases:
    """Two connections, or one and the same."""

    #: Where the jobs table is.
    rows: Connection
    #: Where our own tables are.
    own: Connection

    @property
    def is_one(self) -> bool:
        """True where a row and our own tables change together or not at all."""
        return self.rows is self.own

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Cursor, Cursor]]:
        """Cursors to our own tables and to the rows, as both are at one instant.

        Of two databases ours is to be read first: a row that is newer than what we know of it
        looks changed, which is checked again before anything is said; one that is older would look
        changed back.
        """
        with self.own.transaction() as own:
            own.execute("set transaction isolation level repeatable read, read only")
            if self.is_one:
                yield own, own
                return
            with self.rows.transaction() as rows:
                rows.execute("set transaction isolation level repeatable read, read only")
                yield own, rows

    @contextmanager
    def writing(self) -> Iterator[tuple[Cursor, Cursor]]:
        """Cursors to change our own tables and the rows: the rows are committed first.

        The guard is asked once more before that, in a transaction that has lasted: a process that
        was frozen meanwhile has lost it, and changes nothing.
        """
        with self.own.writing() as own:
            if self.is_one:
                yield own, own
                return
            with self.rows.transaction() as rows:
                yield own, rows
                own.execute("select 1")
                self.own.guard(own)

    def close(self) -> None:
        """Closes both."""
        self.own.close()
        self.rows.close()
