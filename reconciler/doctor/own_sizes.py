"""How large our own tables are: what the retention is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.doctor.finding import Finding, ok
from reconciler.store.connection import Connection
from reconciler.store.queries import query

#: Tables that are named; the others are small.
_NAMED = 4


def check_sizes(connection: Connection) -> Iterator[Finding]:
    """The largest of our tables; nothing where there are none yet."""
    with connection.transaction() as cursor:
        cursor.execute(query("table_sizes"))
        tables = cursor.fetchall()
    if tables:
        yield ok("own tables", words_of(tables))


def words_of(tables: Sequence[Mapping[str, Any]]) -> str:
    """As "12.3 MB: events 8.0 MB (20,000 rows), ...". Rows as Postgres reckons them."""
    total = sum(table["size_bytes"] for table in tables)
    named = [
        f"{table['name']} {_size(table['size_bytes'])} ({table['rows']:,} rows)"
        for table in tables[:_NAMED]
    ]
    return f"{_size(total)}: {', '.join(named)}"


def _size(size_bytes: int) -> str:
    if size_bytes >= 1e9:
        return f"{size_bytes / 1e9:.1f} GB"
    return f"{size_bytes / 1e6:.1f} MB"
