"""Looks at a database: its tables, their rows, and a proposal for each that may be the one."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from reconciler.adopt.candidates import ranked, worth_sampling
from reconciler.adopt.facts import Database
from reconciler.adopt.looking import looking
from reconciler.adopt.proposal import Given, Proposal
from reconciler.adopt.reading import read_database, read_names, read_tables
from reconciler.adopt.recognise import recognise, status_columns
from reconciler.adopt.sampling import sampled
from reconciler.core.jobs import Status
from reconciler.errors import TableError
from reconciler.settings import Settings
from reconciler.settings.jobs import InsideColumn
from reconciler.settings.postgres import table_parts


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a database found."""

    database: Database
    #: Where our own tables are to lie; None for the same one.
    own: Database | None
    #: The one to adopt; None where none is, or several are as good.
    best: Proposal | None
    #: All that were looked at, the best first.
    proposals: tuple[Proposal, ...]


def find(url: str, settings: Settings, table: str | None) -> Found:
    """Looks at `table`, or at every table that may hold jobs. Changes nothing.

    Raises DatabaseError, and TableError where there is no table of that name.
    """
    given = given_by(settings)
    wait_s = settings.database.connect_timeout_s
    with looking(url, connect_timeout_s=wait_s) as look:
        database = read_database(look)
        name = table or _named(settings)
        named = None if name is None else table_parts(name)
        tables = read_tables(look, own_schema=given.own_schema, name=named)
        if not tables and table is not None:
            close = difflib.get_close_matches(table, read_names(look), n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise TableError(f"there is no table {table!r} that user {database.role} sees{hint}")
        if not tables and name is not None:
            name, tables = None, read_tables(look, own_schema=given.own_schema)
        chosen = tables[:1] if name else worth_sampling(tables)
        looked = [sampled(look, t, [c.name for c in status_columns(t)]) for t in chosen]
    own = _own_database(settings)
    proposals = ranked([recognise(database, each, given, own) for each in looked])
    best = proposals.proposals[0] if name and proposals.proposals else proposals.best
    return Found(database, own, best, proposals.proposals)


def _own_database(settings: Settings) -> Database | None:
    """The other database in which our own tables are to lie; None for the same."""
    if settings.database.own_url is None:
        return None
    url, wait_s = settings.database.own_url.get_secret_value(), settings.database.connect_timeout_s
    with looking(url, connect_timeout_s=wait_s) as look:
        return read_database(look)


def answered(found: Found, settings: Settings, answers: Mapping[str, Status]) -> Found:
    """The same, now that somebody said what words mean."""
    assert found.best is not None
    given = dataclasses.replace(given_by(settings), answers=answers)
    best = recognise(found.database, found.best.table, given, found.own)
    return dataclasses.replace(found, best=best)


def _named(settings: Settings) -> str | None:
    """The table that the settings name explicitly."""
    database = settings.database
    return database.jobs_table if "jobs_table" in database.model_fields_set else None


def given_by(settings: Settings) -> Given:
    """What the settings say, and do not only repeat: a copy of the reference decides nothing."""
    jobs = settings.jobs
    section = _decided(jobs)
    return Given(
        columns={
            name: value.model_dump(mode="json") if isinstance(value, InsideColumn) else value
            for name, value in _decided(jobs.columns).items()
        },
        statuses={Status(name): words for name, words in _decided(jobs.statuses).items()},
        progress=section.get("progress"),
        timezone=section.get("timezone"),
        repeated=frozenset(jobs.model_fields_set),
        servers=frozenset(server.name for server in settings.servers),
        own_schema=settings.database.own_schema,
        own_schema_is_told="own_schema" in _decided(settings.database),
    )


def _decided(section: BaseModel) -> dict[str, Any]:
    """What somebody set in a section to something else than its default."""
    fields = type(section).model_fields
    told = {name: getattr(section, name) for name in section.model_fields_set}
    return {name: value for name, value in told.items() if value != fields[name].default}
