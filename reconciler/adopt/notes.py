"""What people should know of their table before anything is written to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.adopt import names
from reconciler.adopt.columns import column_of
from reconciler.adopt.facts import Kind, Table
from reconciler.adopt.proposal import Choice, Confidence, Note, NoteKind
from reconciler.adopt.quoting import quoted
from reconciler.adopt.roles import WRITTEN

_PROMPT_ID = ("jobs", "columns", "prompt_id")


def notes_on(table: Table, choices: Sequence[Choice]) -> Iterator[Note]:
    """What in the table is worth knowing before anything is written to it."""
    yield from _without_prompt_id(table, choices)
    yield from _short(table, choices)
    yield from _of_kind(table)
    for trigger in table.triggers:
        text = f"trigger {trigger.name} ({trigger.function}) runs when we update a row, as for you"
        yield Note(NoteKind.NOTE, text)
    mapped = {column_of(choice.value) for choice in choices}
    yield from _constraints(table, choices)
    needed = [
        c.name
        for c in table.columns
        if c.not_null and c.default is None and c.updatable and c.name not in mapped
    ]
    if needed:
        text = f"NOT NULL without a default: {', '.join(needed)}. Harmless: we never insert a row"
        yield Note(NoteKind.NOTE, text)
    if table.row_security:
        yield Note(
            NoteKind.NOTE,
            "row-level security is on for this user: rows may be hidden from us, and stay so",
        )
    if table.sample.trouble:
        text = f"only its description counts, no rows could be looked at: {table.sample.trouble}"
        yield Note(NoteKind.NOTE, text)


def _constraints(table: Table, choices: Sequence[Choice]) -> Iterator[Note]:
    """What Postgres may refuse of what we write."""
    written = {column_of(c.value): c.name for c in choices if c.name in WRITTEN}
    for constraint in table.constraints:
        if set(constraint.columns) & set(written):
            text = f"{constraint.name} holds for what we write, too: {constraint.definition}"
            yield Note(NoteKind.NOTE, text)
    for column in table.columns:
        if column.name in written and column.references is not None:
            text = f"{column.name} refers to {column.references}: only what is there can be written"
            yield Note(NoteKind.NOTE, text)


def _of_kind(table: Table) -> Iterator[Note]:
    if table.kind in (Kind.MATERIALIZED, Kind.FOREIGN):
        yield Note(NoteKind.PROBLEM, f"it is a {table.kind}: adopt the table that it comes from")
    elif table.kind is Kind.VIEW:
        sources = ", ".join(table.sources) or "another table"
        if table.updatable:
            text = f"it is a view of {sources}, and Postgres can update it"
            yield Note(NoteKind.NOTE, text)
        elif table.updatable_by_trigger:
            text = (
                f"it is a view of {sources} that a trigger updates: what that does, we do not see"
            )
            yield Note(NoteKind.NOTE, text)
        else:
            text = f"it is a view of {sources}, and nothing can be updated in it"
            yield Note(NoteKind.PROBLEM, text, f"adopt {sources} itself: --table NAME")
    elif table.kind is Kind.PARTITIONED:
        yield Note(NoteKind.NOTE, "it is partitioned: all partitions are read and written")


def _without_prompt_id(table: Table, choices: Sequence[Choice]) -> list[Note]:
    prompt = next((c for c in choices if c.setting == _PROMPT_ID), None)
    if prompt is None or prompt.value is not False or prompt.confidence is Confidence.GIVEN:
        return []
    maybe = [
        c.name
        for c in table.columns
        if names.rank(c.name, names.PROMPT_ID_MAYBE) is not None and table.sample.of(c.name).uuids
    ]
    told = f" If {', '.join(maybe)} is it, set jobs.columns.prompt_id." if maybe else ""
    told += "" if table.owned else " Its owner has to add one:"
    text = (
        "it has no column for the prompt's id. A job is found by its tag alone: install the node"
        " pack, or send the row's id as extra_data.job_id with each prompt. Surer is a column that"
        f" the application fills with what POST /prompt answers; then run adopt again.{told}"
    )
    target = table.sources[0] if table.kind is Kind.VIEW and table.sources else table.quoted
    return [
        Note(NoteKind.TODO, text, f"ALTER TABLE {target} ADD COLUMN comfyui_job_id text UNIQUE;")
    ]


def _short(table: Table, choices: Sequence[Choice]) -> list[Note]:
    """Columns into which what we write may not fit, and URLs where we write paths."""
    notes = []
    for choice in choices:
        column = table.column(column_of(choice.value) or "")
        if column is None or choice.name not in ("error", "output_path"):
            continue
        if column.max_length is not None and column.max_length < 255:
            long = "a longer reason is cut" if choice.name == "error" else "a longer path fails"
            text = f"{column.name} takes {column.max_length} characters: {long}"
            statement = f"ALTER TABLE {table.quoted} ALTER COLUMN {quoted(column.name)} TYPE text;"
            is_table = table.kind is not Kind.VIEW
            notes.append(Note(NoteKind.NOTE, text, statement if is_table else None))
        if choice.name == "output_path" and table.sample.of(column.name).urls:
            text = f"{column.name} holds URLs; we write the file's path, below its stored_path"
            advice = "set stored_path of each server to the URL that its output directory has"
            notes.append(Note(NoteKind.NOTE, text, advice))
    return notes
