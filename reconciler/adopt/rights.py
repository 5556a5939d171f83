"""What we may not do, what it costs, and the statement that would change it. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.adopt.columns import column_of
from reconciler.adopt.facts import Database, Table
from reconciler.adopt.proposal import Choice, Confidence, Given, Note, NoteKind
from reconciler.adopt.quoting import quoted
from reconciler.adopt.roles import WRITTEN
from reconciler.settings.postgres import refused_schema

#: Tables of ours, of which a schema must have none of somebody else's.
_OURS = frozenset(
    {"agents", "deliveries", "events", "job_state", "leases", "listings", "migrations"}
    | {"outputs", "prompts", "requests", "runs", "servers", "tokens", "webhooks"}
)


def missing_rights(database: Database, table: Table, choices: Sequence[Choice]) -> Iterator[Note]:
    """The GRANTs that are missing on the table and its columns."""
    role = quoted(database.role)
    if database.standby:
        text = "this server is a standby: nothing can be written here"
        yield Note(NoteKind.PROBLEM, text, "give the address of the primary server")
    if not table.may_use_schema:
        text = f"user {database.role} may not use schema {table.schema}"
        yield Note(NoteKind.TODO, text, f"GRANT USAGE ON SCHEMA {quoted(table.schema)} TO {role};")
    mapped = [
        (choice.name, column)
        for choice in choices
        if choice.setting[:2] == ("jobs", "columns")
        and (column := table.column(column_of(choice.value) or "")) is not None
    ]
    for right, names in (
        ("SELECT", [c.name for _, c in mapped if not c.may_read]),
        ("UPDATE", [c.name for name, c in mapped if name in WRITTEN and not c.may_write]),
    ):
        if names:
            columns = ", ".join(quoted(name) for name in dict.fromkeys(names))
            text = f"user {database.role} may not {right.lower()} {', '.join(names)}"
            statement = f"GRANT {right} ({columns}) ON {table.quoted} TO {role};"
            yield Note(NoteKind.TODO, text, statement)


def own_tables(
    database: Database, given: Given, elsewhere: Database | None
) -> tuple[Choice | None, list[Note]]:
    """Where our own tables can lie: in `elsewhere`, if that is given."""
    notes = []
    if elsewhere is not None:
        text = (
            f"our own tables lie in database {elsewhere.name} (database.own_url): a row and its"
            " story are two commits, the row first, and no SQL can join them"
        )
        notes.append(Note(NoteKind.NOTE, text))
    place = elsewhere or database
    if given.own_schema in place.schemas or place.may_create_schema:
        return None, notes
    lacking = f"user {place.role} may not create the schema {given.own_schema} in {place.name}"
    grant = f"GRANT CREATE ON DATABASE {quoted(place.name)} TO {quoted(place.role)};"
    other = None if given.own_schema_is_told else _other_schema(place)
    if other is not None:
        reason = f"{lacking}, but tables in {other}"
        text = (
            f"our own tables go into schema {other}, beside what is there; lost is the usual name,"
            " which is that of the notifications' channel too"
        )
        choice = Choice(("database", "own_schema"), other, Confidence.LIKELY, reason)
        return choice, [*notes, Note(NoteKind.NOTE, text, f"or: {grant}")]
    text = f"{lacking}: our own tables need a place"
    if elsewhere is None:
        text += (
            ". In another database (adopt --own-url URL; `reconciler db url --start` gives one) a"
            " row and its story are two commits, and no SQL can join them"
        )
    return None, [*notes, Note(NoteKind.TODO, text, grant)]


def _other_schema(database: Database) -> str | None:
    """A schema with room for our tables, whose name fits."""
    for schema, names in database.schemas.items():
        if schema != "public" and not names & _OURS and refused_schema(schema) is None:
            return schema
    return None
