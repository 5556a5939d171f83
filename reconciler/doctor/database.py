"""Is Postgres there, and may we do what we have to? Looks only: nothing is created or changed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from reconciler.doctor.agents import check_agents
from reconciler.doctor.embedded import check_embedded
from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.doctor.jobs_table import check_jobs_table
from reconciler.doctor.own_schema import check_schema
from reconciler.doctor.own_sizes import check_sizes
from reconciler.doctor.pooler import check_pooler
from reconciler.errors import DatabaseError
from reconciler.settings import Settings
from reconciler.settings.postgres import masked_dsn
from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: The oldest and the newest Postgres that are tested; the first as `server_version_num` has it.
OLDEST_VERSION = 130_000
NEWEST_MAJOR = 18
#: A difference between the clocks that is worth a word: verdicts compare files' times with rows'.
CLOCK_DIFFERENCE_S = 2.0

_WHAT = "database"
_CONNECT = "check database.url, and that Postgres listens there and lets this user in"


def check_database(settings: Settings) -> Iterator[Finding]:
    """Everything about the database, in the order in which one thing needs the other."""
    url = settings.database.dsn
    if url is None:
        findings, url = check_embedded(settings.data_dir)
        yield from findings
    if url is None:
        return
    database = settings.database
    with closing(_connection(settings, url)) as connection:
        server = yield from _examine(connection, _WHAT)
        if server is None:
            return
        yield from check_pooler(connection, database.direct_dsn)
        if database.own_dsn is None:
            yield from check_schema(connection, server)
            yield from check_sizes(connection)
            yield from check_agents(connection, settings)
        else:
            yield from _examine_own(settings, database.own_dsn)
        yield from check_jobs_table(connection, database.jobs_table, server["role"], settings.jobs)


def _connection(settings: Settings, url: str) -> Connection:
    return Connection(
        url,
        connect_timeout_s=settings.database.connect_timeout_s,
        statement_timeout_s=settings.database.statement_timeout_s,
        own_schema=settings.database.own_schema,
    )


def _examine_own(settings: Settings, url: str) -> Iterator[Finding]:
    """The database of our own tables, where that is another."""
    with closing(_connection(settings, url)) as connection:
        server = yield from _examine(connection, "own database")
        if server is not None:
            yield from check_schema(connection, server)
            yield from check_sizes(connection)
            yield from check_agents(connection, settings)


def _examine(
    connection: Connection, what: str
) -> Generator[Finding, None, Mapping[str, Any] | None]:
    """What the server says of itself; None where there is nothing more to be asked."""
    try:
        server, clock_ahead_s = _ask(connection)
    except DatabaseError as error:
        yield failed_by(what, error, _CONNECT)
        return None
    yield replace(judge_server(server, masked_dsn(connection.url)), what=what)
    yield judge_clock(clock_ahead_s)
    usable = not server["read_only"] and server["version_number"] >= OLDEST_VERSION
    return server if usable else None


def _ask(connection: Connection) -> tuple[Mapping[str, Any], float]:
    """What the server says of itself, and by how many seconds its clock is ahead of ours."""
    with connection.transaction() as cursor:
        before = time.time()
        cursor.execute(query("doctor_server"))
        row = cursor.fetchone()
        after = time.time()
    assert row is not None
    ahead_s = row["now"] - (before + after) / 2
    # Half of the way there and back is not known, so it is no difference.
    return row, 0.0 if abs(ahead_s) <= (after - before) / 2 else ahead_s


def judge_server(server: Mapping[str, Any], shown_url: str) -> Finding:
    """The version, and whether one can write there at all."""
    which = f"PostgreSQL {server['version']}, {shown_url}"
    if server["version_number"] < OLDEST_VERSION:
        advice = (
            f"upgrade Postgres: versions {OLDEST_VERSION // 10_000} to {NEWEST_MAJOR} are tested"
        )
        return failed(_WHAT, f"{which}: too old", advice)
    if server["read_only"]:
        return failed(
            _WHAT,
            f"{which}: it is read-only (a standby, or default_transaction_read_only)",
            "name the primary in database.url: rows have to be written",
        )
    if server["version_number"] // 10_000 > NEWEST_MAJOR:
        return ok(_WHAT, f"{which}: newer than those that were tested, up to {NEWEST_MAJOR}")
    return ok(_WHAT, which)


def judge_clock(ahead_s: float) -> Finding:
    """Whether the clocks of the database and of this machine agree."""
    what = "clocks"
    if abs(ahead_s) <= CLOCK_DIFFERENCE_S:
        return ok(what, f"database and this machine agree within {CLOCK_DIFFERENCE_S:g} s")
    way = "ahead of" if ahead_s > 0 else "behind"
    return warning(
        what,
        f"the database's clock is {abs(ahead_s):.1f} s {way} this machine's: whether a file began"
        " after its row is then hard to tell",
        "synchronise both by NTP (timedatectl set-ntp true)",
    )
