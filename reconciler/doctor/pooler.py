"""Is a pooler between us and Postgres, and is there a way past it for what a session keeps?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2

from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.errors import DatabaseError
from reconciler.settings.postgres import masked_dsn
from reconciler.store.connection import Connection, is_pooled
from reconciler.store.patience import PatientConnection

_WHAT = "pooler"
_MEANS = "each transaction may have another session, so LISTEN and session locks are not to be had"
_ADVICE = "set database.direct_url to Postgres itself: changes are heard at once then"
_SAME = "let database.direct_url name the database of database.url, only past the pooler"
#: What no two databases have in common: a copy's server started at another time.
_IDENTITY = "select current_database(), pg_postmaster_start_time()"


def check_pooler(connection: Connection, direct_url: str | None) -> Iterator[Finding]:
    """Nothing to tell where database.url leads to Postgres itself and no other way is named."""
    with closing(connection.connect()) as raw:
        pooled, here = is_pooled(raw), _identity(raw)
    if direct_url is None:
        if pooled:
            yield warning(_WHAT, f"one is between; {_MEANS}, and changes are polled for", _ADVICE)
        return
    try:
        with closing(connection.connect(direct_url)) as raw:
            there, still_pooled = _identity(raw), is_pooled(raw)
    except (DatabaseError, psycopg2.Error) as error:
        yield failed_by(f"{_WHAT}, direct_url", error, _SAME)
        return
    shown = masked_dsn(direct_url)
    if here != there:
        yield failed(_WHAT, f"direct_url is another database: {shown}", _SAME)
    elif still_pooled:
        detail = f"direct_url leads through a pooler too, {shown}"
        yield warning(_WHAT, detail, "well if that is in session mode; else name Postgres itself")
    else:
        yield ok(_WHAT, f"direct_url leads past {'it' if pooled else 'any'}: {shown}")


def _identity(raw: PatientConnection) -> object:
    with raw.cursor() as cursor:
        cursor.execute(_IDENTITY)
        return cursor.fetchone()
