"""Our own schema in the database: there and up to date, or possible to bring there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

from reconciler.doctor.finding import Finding, failed, ok
from reconciler.store import migrations
from reconciler.store.connection import Connection
from reconciler.store.queries import OWN_SCHEMA, query

_WHAT = "database schema"


def check_schema(connection: Connection, server: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether `reconciler run` could prepare and use our own schema."""
    name = connection.own_schema
    role, database = server["role"], server["database"]
    if not server["has_schema"]:
        if not server["may_create"]:
            yield failed(
                _WHAT,
                f"user {role} may not create a schema in database {database}",
                f'GRANT CREATE ON DATABASE "{database}" TO "{role}"; or CREATE SCHEMA {name}'
                f' AUTHORIZATION "{role}"; or let our tables lie elsewhere (database.own_schema,'
                " database.own_url)",
            )
            return
        yield ok(_WHAT, f"{name}: not there yet; `reconciler run` creates it")
        return
    with connection.transaction() as cursor:
        cursor.execute(query("doctor_schema_rights"))
        rights = cursor.fetchone()
        assert rights is not None
        cursor.execute(query("doctor_schema"))
        tables = cursor.fetchall()
        revision = None
        migrated = next((t for t in tables if t["name"] == "migrations"), None)
        if rights["may_use"] and migrated is not None and "SELECT" not in migrated["lacking"]:
            cursor.execute(query("doctor_revision"))
            row = cursor.fetchone()
            revision = None if row is None else str(row["revision"])
    yield judge_schema(rights, tables, revision, role=role, name=name)


def judge_schema(
    rights: Mapping[str, Any],
    tables: Sequence[Mapping[str, Any]],
    revision: str | None,
    *,
    role: str,
    name: str = OWN_SCHEMA,
) -> Finding:
    """Rights on the schema and its tables, and its revision against the one of this package."""
    known = ScriptDirectory(str(Path(migrations.__path__[0])))
    newest = known.get_current_head()
    lacking = [f"{t['name']} ({', '.join(t['lacking'])})" for t in tables if t["lacking"]]
    if lacking or not rights["may_use"]:
        detail = f"user {role} may not use schema {name}: {', '.join(lacking) or 'no USAGE'}"
        return failed(_WHAT, detail, _take_over(rights["owner"], role))
    if revision == newest:
        return ok(_WHAT, f"{name}: revision {revision}, up to date")
    if revision is not None and revision not in {each.revision for each in known.walk_revisions()}:
        return failed(
            _WHAT,
            f"{name}: revision {revision} is of a newer version; this one knows {newest}",
            "use the newer version of the reconciler here too",
        )
    if not rights["may_create"]:
        detail = f"user {role} may not bring schema {name} to revision {newest}"
        return failed(_WHAT, detail, _take_over(rights["owner"], role))
    was = f"revision {revision}" if revision else "empty"
    return ok(_WHAT, f"{name}: {was}; `reconciler run` brings it to {newest}")


def _take_over(owner: str, role: str) -> str:
    return (
        f'connect as user {owner}, to whom the schema belongs, or GRANT {owner} TO "{role}"; let'
        " one user alone run the reconciler"
    )
