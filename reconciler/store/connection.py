"""One Postgres connection that comes back after it broke, and its errors in words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.settings.postgres import masked_dsn
from reconciler.store.patience import Cursor, PatientConnection, PatientCursor
from reconciler.store.queries import OWN_SCHEMA, query

__all__ = ["Connection", "Cursor", "explain", "settings_of_a_transaction"]

#: Somebody's lock is waited for so much shorter than a statement may take: it is mostly on one row,
#: or on what a trigger asks for one row, and the others are not to wait along.
LOCK_SHARE = 0.1

#: What Postgres says of a statement's content; the connection and other statements are well.
_OF_ONE_STATEMENT = (
    psycopg2.errors.LockNotAvailable,
    psycopg2.IntegrityError,
    psycopg2.DataError,
    psycopg2.InternalError,
    psycopg2.ProgrammingError,
    psycopg2.NotSupportedError,
)
#: The role lacks the right, or the whole database is a copy that follows another.
READ_ONLY = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)
#: Of these classes, but about the database as a whole: nothing can be written there now.
_OF_ALL = psycopg2.errors.ReadOnlySqlTransaction


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
        "unsupported startup parameter": "PgBouncer takes no `options`: leave them out of the URL,"
        " and set them with ALTER ROLE ... SET",
        "lock timeout": "who holds the lock? see pg_locks and pg_stat_activity",
        "no answer within": "is Postgres frozen, or the network to it broken?",
        "timeout": "is Postgres overloaded or a lock held? see pg_stat_activity",
        "read-only transaction": "name the primary in database.url; or see"
        " default_transaction_read_only",
        "No space left": "free disk space for Postgres",
        "remaining connection slots": "raise max_connections, or close other clients",
    }
    hint = next((h for needle, h in hints.items() if needle in words), "see `reconciler doctor`")
    return f"database {masked_dsn(url)}: {words}. What to do: {hint}"


def settings_of_a_transaction(*, statement_timeout_s: float, idle_timeout_s: float) -> str:
    """What our transactions rely on, as SQL to begin one with.

    For one transaction, since behind a pooler the next one has another session, and others have
    this one. Whoever owns the database may have made another isolation the default: compare-and-set
    needs to see what others committed meanwhile.
    """
    return (
        "set transaction isolation level read committed;"
        f" set local statement_timeout = {round(statement_timeout_s * 1000)};"
        f" set local lock_timeout = {max(1, round(statement_timeout_s * LOCK_SHARE * 1000))};"
        f" set local idle_in_transaction_session_timeout = {round(idle_timeout_s * 1000)};"
        " set local timezone = 'UTC'"
    )


class Connection:
    """A lazily opened, self-healing connection; one transaction at a time.

    Threads share it under a lock. Every psycopg2 error leaves as `DatabaseError`; after an error
    that broke the connection the next transaction opens a new one. Nothing is kept in the session,
    so that a transaction pooler may stand between.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_timeout_s: float,
        statement_timeout_s: float,
        idle_timeout_s: float = 60.0,
        direct_url: str | None = None,
        own_schema: str = OWN_SCHEMA,
    ) -> None:
        """`idle_timeout_s`: Postgres ends a transaction in which we say nothing for so long, so
        that the locks of a frozen process go. `direct_url`: the way past a pooler, if there is one.
        """
        self.url = url
        #: What our SQL calls `reconciler`, and the channel of notifications.
        self.own_schema = own_schema
        #: Refuses, by raising, a change that is not ours to make any more.
        self.guard: Callable[[Cursor], None] = lambda cursor: None
        #: What every transaction begins with.
        self.settings = settings_of_a_transaction(
            statement_timeout_s=statement_timeout_s, idle_timeout_s=idle_timeout_s
        )
        self._direct_url = direct_url
        self._connect_timeout_s = connect_timeout_s
        # The server ends a statement by itself; as long as it takes to connect, so may its word.
        self._patience_s = statement_timeout_s + connect_timeout_s
        self._raw: PatientConnection | None = None
        self._lock = threading.RLock()

    def connect(self, url: str | None = None) -> PatientConnection:
        """A new raw connection (to `url`, if that is another), the caller's to close.

        Raises DatabaseError.
        """
        url = url or self.url
        try:
            raw = psycopg2.connect(
                url,
                connection_factory=PatientConnection,
                cursor_factory=PatientCursor,
                connect_timeout=max(1, round(self._connect_timeout_s)),
                application_name="reconciler",
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=3,
            )
        except psycopg2.Error as error:
            raise DatabaseError(explain(error, url)) from error
        raw.be_patient(self._patience_s)
        raw.own_schema = self.own_schema
        return raw

    def connect_directly(self) -> PatientConnection | None:
        """As `connect`, for what a session keeps (LISTEN, session locks), and in autocommit.

        None where only a pooler is known. A pooler in session mode would keep them: name it as the
        direct URL. Raises DatabaseError.
        """
        raw = self.connect(self._direct_url)
        raw.autocommit = True
        try:
            if self._direct_url is not None or not is_pooled(raw):
                return raw
        except psycopg2.Error as error:
            raw.close()
            raise DatabaseError(explain(error, self.url)) from error
        raw.close()
        return None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction: committed at the end, rolled back on any error."""
        with self._lock:
            try:
                with self._opened().cursor(cursor_factory=Cursor) as cursor:
                    cursor.preamble = f"begin; {self.settings};\n".encode()
                    yield cursor
                    cursor.execute("commit")
                    self._give_hint(cursor)
            except psycopg2.Error as error:
                self._undo()
                words = explain(error, self.url)
                if isinstance(error, _OF_ONE_STATEMENT) and not isinstance(error, _OF_ALL):
                    raise StatementRefused(words) from error
                if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
                    self.close()
                raise DatabaseError(words) from error
            except BaseException:
                self._undo()
                raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[Cursor]:
        """A transaction that changes something: `guard` has the first word in it."""
        with self.transaction() as cursor:
            self.guard(cursor)
            yield cursor

    def _give_hint(self, cursor: Cursor) -> None:
        """What was changed is committed. NOTIFY has a lock on the whole database at its commit: as
        part of the change it would hold up everybody's while this one waits for the disk."""
        if cursor.hint is not None:
            with contextlib.suppress(psycopg2.Error):  # it is but a hint
                cursor.execute(query("notify"), {"payload": cursor.hint})

    def _opened(self) -> PatientConnection:
        if self._raw is None or self._raw.closed:
            self._raw = self.connect()
            self._raw.autocommit = True  # begun and ended in words: one round trip less
        return self._raw

    def _undo(self) -> None:
        """Ends the transaction, or else the connection."""
        if self._raw is None or self._raw.info.transaction_status == TRANSACTION_STATUS_IDLE:
            return
        try:
            with self._raw.cursor() as cursor:
                cursor.execute("rollback")
        except psycopg2.Error:
            self.close()

    def close(self) -> None:
        """Closes the connection; the next transaction would open another."""
        with self._lock:
            if self._raw is not None:
                with contextlib.suppress(psycopg2.Error):
                    self._raw.close()
                self._raw = None


def is_pooled(raw: PatientConnection) -> bool:
    """True where a pooler answers for Postgres, and each transaction may have another session.

    It makes up the key by which a client cancels, with a process id in it that is no backend's.
    """
    with raw.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        row = cursor.fetchone()
    return row is None or row[0] != raw.info.backend_pid
