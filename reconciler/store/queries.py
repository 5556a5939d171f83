"""The SQL of reconciler/store/sql: one named, commented query per `-- name:` line."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from psycopg2 import sql

_FOLDER = Path(__file__).with_name("sql")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def _texts() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.sql")):
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        found.update(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))
    return found


def query(name: str, **identifiers: sql.Composable) -> sql.Composed:
    """The query `name`, with `{placeholders}` for identifiers filled in. Raises KeyError."""
    return sql.SQL(_texts()[name]).format(**identifiers)
