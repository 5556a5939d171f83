"""Checks on the database settings, by Postgres' own parser, and their masking.

psycopg2 is imported late: it costs 40 ms, and without a database address nobody needs it here.
"""

from __future__ import annotations

import re

#: NAMEDATALEN - 1, in bytes: Postgres cuts longer names without a word.
MAX_NAME_BYTES = 63

_SHAPE = (
    "is no Postgres address: write postgresql://user:password@host:5432/database"
    " (special characters as %-codes: @ is %40), or host=... dbname=... user=..."
)


def refused_dsn(dsn: str) -> str | None:
    """Why libpq would not understand this address; None if it does. Never quotes the address."""
    from psycopg2 import Error
    from psycopg2.extensions import parse_dsn

    scheme = dsn.partition("://")[0] if "://" in dsn else ""
    if scheme.startswith(("postgresql+", "postgres+")):
        return f"starts with {scheme[:40]}://, a form of SQLAlchemy only: write postgresql://"
    if not dsn.strip() or "\0" in dsn:
        return _SHAPE
    try:
        parse_dsn(dsn)
    except (Error, ValueError):
        return _SHAPE  # libpq's words quote the address, and the password with it
    return None


def masked_dsn(dsn: str) -> str:
    """The address as given if it holds no secret, else its parts with the secrets replaced.

    Put together from the parts that libpq sees: where Python and libpq split a URL differently
    (an unescaped ? in a password), replacing in the text would leave half of the secret.
    """
    from psycopg2.extensions import make_dsn, parse_dsn

    parts = parse_dsn(dsn)
    secrets = {name: "***" for name in parts if name.endswith(("password", "secret"))}
    return str(make_dsn(**{**parts, **secrets})) if secrets else dsn


_PART = r'"(?:[^"\0]|"")+"|[^".\0]+'


def table_parts(name: str) -> tuple[str, ...]:
    """The parts of `table` or `schema.table`, none where it is neither. A part is taken as it is
    written; between double quotes, as Postgres writes it, it may hold dots and (doubled) quotes.
    """
    if re.fullmatch(rf"(?:{_PART})(?:\.(?:{_PART}))?", name) is None:
        return ()
    return tuple(
        part[1:-1].replace('""', '"') if part.startswith('"') else part
        for part in re.findall(_PART, name)
    )


def refused_table(name: str) -> str | None:
    """Why this is no name of a table; None if it is one."""
    parts = table_parts(name)
    if not parts:
        return 'should be a table\'s name or schema.table; a name with dots or quotes as "my.jobs"'
    if any(len(part.encode(errors="replace")) > MAX_NAME_BYTES for part in parts):
        return f"is longer than the {MAX_NAME_BYTES} bytes that Postgres keeps of a name"
    return None


def refused_schema(name: str) -> str | None:
    """Why this is no name for a schema of ours; None if it is one.

    Lower case and short, since it also names the channel of NOTIFY and is written into SQL by
    people who look for a job's story.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,49}", name) or name.startswith("pg_"):
        return "should be a lower-case name of letters, digits and _, at most 50, not pg_..."
    return None
