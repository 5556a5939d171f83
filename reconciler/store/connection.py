"""One Postgres connection that comes back after it broke, and its errors in words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import psycopg2
import psycopg2.extras

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.settings.postgres import masked_dsn

Cursor = psycopg2.extras.RealDictCursor

#: What Postgres says of a statement's content; the connection and other statements are well.
_OF_ONE_STATEMENT = (
    psycopg2.IntegrityError,
    psycopg2.DataError,
    psycopg2.InternalError,
    psycopg2.ProgrammingError,
    psycopg2.NotSupportedError,
)


def explain(error: psycopg2.Error, url: str) -> str:
    """What went wrong with the database, where, and what to do."""
    words = " ".join(str(error).split()).rstrip(".?") or type(error).__name__
    hints = {
        "password authentication failed": "check user and password in the database URL",
        "Connection refused": "is Postgres running there, and does it listen on that address?",
        "could not translate host name": "check the host name in the database URL",
        "does not exist": "create it, or correct the name in the database URL",
        "no pg_hba.conf entry": "allow this host in pg_hba.conf",
        "permission denied": "grant the right that is named, see `reconciler doctor`",
        "timeout": "is Postgres overloaded or a lock held? see pg_stat_activity",
        "No space left": "free disk space for Postgres",
        "remaining connection slots": "raise max_connections, or close other clients",
    }
    hint = next((h for needle, h in hints.items() if needle in words), "see `reconciler doctor`")
    return f"database {masked_dsn(url)}: {words}. What to do: {hint}"


class Connection:
    """A lazily opened, self-healing connection; one transaction at a time.

    Threads share it under a lock. Every psycopg2 error leaves as `DatabaseError`; after an error
    that broke the connection the next transaction opens a new one.
    """

    def __init__(self, url: str, *, connect_timeout_s: float, statement_timeout_s: float) -> None:
        self.url = url
        #: Refuses, by raising, a change that is not ours to make any more.
        self.guard: Callable[[Cursor], None] = lambda cursor: None
        self._connect_timeout_s = connect_timeout_s
        self._statement_timeout_s = statement_timeout_s
        self._raw: psycopg2.extensions.connection | None = None
        self._lock = threading.RLock()

    def connect(self) -> psycopg2.extensions.connection:
        """A new raw connection, the caller's to close. Raises DatabaseError."""
        try:
            return psycopg2.connect(
                self.url,
                connect_timeout=max(1, round(self._connect_timeout_s)),
                application_name="reconciler",
                options=f"-c statement_timeout={round(self._statement_timeout_s * 1000)}"
                " -c timezone=UTC",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg2.Error as error:
            raise DatabaseError(explain(error, self.url)) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction: committed at the end, rolled back on any error."""
        with self._lock:
            if self._raw is None or self._raw.closed:
                self._raw = self.connect()
            try:
                with self._raw, self._raw.cursor(cursor_factory=Cursor) as cursor:
                    yield cursor
            except psycopg2.Error as error:
                if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
                    self.close()
                refused = isinstance(error, _OF_ONE_STATEMENT)
                kind = StatementRefused if refused else DatabaseError
                raise kind(explain(error, self.url)) from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[Cursor]:
        """A transaction that changes something: `guard` has the first word in it."""
        with self.transaction() as cursor:
            self.guard(cursor)
            yield cursor

    def close(self) -> None:
        """Closes the connection; the next transaction would open another."""
        with self._lock:
            if self._raw is not None:
                with contextlib.suppress(psycopg2.Error):
                    self._raw.close()
                self._raw = None
