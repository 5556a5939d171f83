"""The SQL of reconciler/store/sql: one named, commented query per `-- name:` line.

The schema `reconciler` in it, as `reconciler.events` or `'reconciler'`, stands for our own schema,
whatever the settings call it: its name is put in where a query is executed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import quote_ident

_FOLDER = Path(__file__).with_name("sql")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_OWN_TABLE = re.compile(r"\breconciler\.")
#: What our own schema is called unless the settings give it another name.
OWN_SCHEMA = "reconciler"


class OwnSchema(sql.Composable):
    """The name of our own schema on the connection that executes the statement."""

    def __init__(self, *, quoted: bool = True) -> None:
        super().__init__(quoted)
        self._quoted = quoted

    def as_string(self, context: Any) -> str:
        """As an identifier, or (not `quoted`) as a text; the settings allow no quotes in it."""
        name: str = getattr(context, "own_schema", OWN_SCHEMA)
        return quote_ident(name, context) if self._quoted else f"'{name}'"


@cache
def _texts() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(_FOLDER.glob("*.sql")):
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        found.update(zip(parts[1::2], map(_with_own_schema, parts[2::2]), strict=True))
    return found


def _with_own_schema(text: str) -> str:
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return _OWN_TABLE.sub("{own}.", code.replace("'reconciler'", "{own_text}")).strip()


def query(name: str, **identifiers: sql.Composable) -> sql.Composed:
    """The query `name`, with `{placeholders}` for identifiers filled in. Raises KeyError."""
    own = {"own": OwnSchema(), "own_text": OwnSchema(quoted=False)}
    return sql.SQL(_texts()[name]).format(**own, **identifiers)
