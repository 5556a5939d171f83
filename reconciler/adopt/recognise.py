"""From the facts of a table to a proposal. Pure: the same facts give the same proposal."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.adopt import names
from reconciler.adopt.columns import choose, column_of
from reconciler.adopt.facts import Column, Database, Family, Kind, Table
from reconciler.adopt.key import recognise_key
from reconciler.adopt.progress import recognise_scale
from reconciler.adopt.proposal import Choice, Confidence, Given, Note, NoteKind, Proposal
from reconciler.adopt.quoting import quoted
from reconciler.adopt.rights import missing_rights, own_tables, surprises
from reconciler.adopt.roles import PROGRESS, ROLES
from reconciler.adopt.statuses import Words, recognise_statuses
from reconciler.adopt.timezone import naive_columns, recognise_timezone
from reconciler.adopt.words import all_words, known_words

#: What a status column can be; a number is one whose words only a person knows.
STATUS_FAMILIES = (Family.TEXT, Family.ENUM, Family.WHOLE)
_STATUS = ("jobs", "columns", "status")
_PROMPT_ID = ("jobs", "columns", "prompt_id")


def recognise(
    database: Database, table: Table, given: Given, own_database: Database | None = None
) -> Proposal:
    """How to read and write this table, with the reason of each part. `own_database` is where our
    own tables are to lie, if not in the same one."""
    choices: list[Choice] = []
    notes: list[Note] = []
    key = recognise_key(table, given)
    if isinstance(key, Note):
        notes.append(key)
    else:
        choices.append(key)
    status, words = _status(table, given)
    if status is None:
        text = "it has no status column: no text or enum that can be updated is called so"
        notes.append(Note(NoteKind.PROBLEM, text))
    else:
        choices.append(status)
    choices += words.choices
    for role in ROLES:
        taken = {column_of(choice.value) for choice in choices}
        choices.append(choose(role, table, given, {name for name in taken if name}))
        if role is PROGRESS and (column := table.column(str(choices[-1].value))):
            choices.append(recognise_scale(column, table.sample.of(column.name), given))
    server = _server(table, given)
    choices += [server] if server else []
    mapped = {c.name: table.column(str(c.value)) for c in choices}
    times = [mapped.get(name) for name in ("created_at", "updated_at", "completed_at")]
    if naive := naive_columns(times):
        choices.append(recognise_timezone(database, table, naive, given))
    own, own_notes = own_tables(database, given, own_database)
    choices += [own] if own else []
    notes += words.notes
    notes += _without_prompt_id(table, choices)
    notes += _short(table, choices)
    notes += [*surprises(table, choices), *missing_rights(database, table, choices), *own_notes]
    return Proposal(table, tuple(choices), tuple(notes), words.questions)


def status_columns(table: Table) -> list[Column]:
    """Columns that may be the status: called so, of a type that can, and not computed."""
    called = [c for c in table.columns if names.rank(c.name, names.STATUS) is not None]
    return [c for c in called if c.family in STATUS_FAMILIES and c.updatable]


def _status(table: Table, given: Given) -> tuple[Choice | None, Words]:
    told = table.column(given.columns.get("status", ""))
    found = [told] if told else sorted(status_columns(table), key=lambda c: _status_rank(table, c))
    if not found:
        return None, Words()
    column = found[0]
    seen = table.sample.statuses.get(column.name, {})
    words = recognise_statuses(column, seen, given)
    if told:
        return Choice(_STATUS, told.name, Confidence.GIVEN, "the settings say so"), words
    universe = _universe(table, column)
    known = known_words(universe)
    reason = f"{known} of {len(universe)} words known, {column.type}"
    confidence = Confidence.CERTAIN if known else Confidence.ASSUMED
    others = tuple(c.name for c in found[1:])
    return Choice(_STATUS, column.name, confidence, reason, others), words


def _status_rank(table: Table, column: Column) -> tuple[bool, int, int]:
    known = known_words(_universe(table, column))
    rank = names.rank(column.name, names.STATUS)
    return column.family is Family.WHOLE, -known, rank or 0


def _universe(table: Table, column: Column) -> list[str]:
    return all_words(column, table.sample.statuses.get(column.name, {}))


def _server(table: Table, given: Given) -> Choice | None:
    """A column that names the server of a job, known by what is in it."""
    setting = ("jobs", "columns", "server")
    if "server" in given.columns:
        told = given.columns["server"]
        return Choice(setting, told, Confidence.GIVEN, "the settings say so")
    for column in table.columns:
        if names.rank(column.name, names.SERVER) is None:
            continue
        values = set(table.sample.of(column.name).words)
        if values and values <= given.servers:
            reason = "each of its values is the name of a server"
            return Choice(setting, column.name, Confidence.CERTAIN, reason)
    if table.column("server") is None:
        return None
    reason = "nothing shows that it holds the names that `servers` gives"
    lost = "asking only the job's own server"
    return Choice(setting, False, Confidence.LIKELY, reason, lost=lost)


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
