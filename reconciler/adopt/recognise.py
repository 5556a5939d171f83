"""From the facts of a table to a proposal. Pure: the same facts give the same proposal."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.adopt import names
from reconciler.adopt.columns import choose, column_of
from reconciler.adopt.facts import Column, Database, Family, Table
from reconciler.adopt.key import recognise_key
from reconciler.adopt.notes import notes_on
from reconciler.adopt.progress import recognise_scale
from reconciler.adopt.proposal import Choice, Confidence, Given, Note, NoteKind, Proposal
from reconciler.adopt.rights import missing_rights, own_tables
from reconciler.adopt.roles import PROGRESS, ROLES
from reconciler.adopt.statuses import Words, recognise_statuses
from reconciler.adopt.timezone import naive_columns, recognise_timezone
from reconciler.adopt.words import all_words, known_words

#: What a status column can be; a number is one whose words only a person knows.
STATUS_FAMILIES = (Family.TEXT, Family.ENUM, Family.WHOLE)
_STATUS = ("jobs", "columns", "status")


def recognise(
    database: Database, table: Table, given: Given, own_database: Database | None = None
) -> Proposal:
    """How to read and write this table, with the reason of each part. `own_database` is where our
    own tables are to lie, if not in the same one."""
    key = recognise_key(table, given)
    status, words = _status(table, given)
    choices = [each for each in (key, status) if isinstance(each, Choice)] + [*words.choices]
    choices += _columns(table, given, choices)
    choices += _times(database, table, given, choices)
    own, own_notes = own_tables(database, given, own_database)
    choices += [own] if own else []
    problems = [each for each in (key, status) if isinstance(each, Note)]
    told = [*words.notes, *notes_on(table, choices), *missing_rights(database, table, choices)]
    return Proposal(table, tuple(choices), (*problems, *told, *own_notes), words.questions)


def status_columns(table: Table) -> list[Column]:
    """Columns that may be the status: called so, of a type that can, and not computed."""
    called = [c for c in table.columns if names.rank(c.name, names.STATUS) is not None]
    return [c for c in called if c.family in STATUS_FAMILIES and c.updatable]


def _status(table: Table, given: Given) -> tuple[Choice | Note, Words]:
    told = table.column(given.columns.get("status", ""))
    found = [told] if told else sorted(status_columns(table), key=lambda c: _status_rank(table, c))
    if not found:
        text = "it has no status column: no text or enum that can be updated is called so"
        return Note(NoteKind.PROBLEM, text), Words()
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


def _columns(table: Table, given: Given, chosen: Sequence[Choice]) -> list[Choice]:
    """What each other setting is: no column twice."""
    found: list[Choice] = []
    for role in ROLES:
        taken = {column_of(choice.value) for choice in (*chosen, *found)}
        found.append(choose(role, table, given, taken))
        if role is PROGRESS and (column := table.column(str(found[-1].value))):
            found.append(recognise_scale(column, table.sample.of(column.name), given))
    server = _server(table, given)
    return [*found, server] if server else found


def _times(
    database: Database, table: Table, given: Given, choices: Sequence[Choice]
) -> list[Choice]:
    mapped = {choice.name: table.column(str(choice.value)) for choice in choices}
    times = [mapped.get(name) for name in ("created_at", "updated_at", "completed_at")]
    naive = naive_columns(times)
    return [recognise_timezone(database, table, naive, given)] if naive else []


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
