"""What we may not do is told with the statement that changes it, and nothing is run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from reconciler.adopt import rights
from reconciler.adopt.facts import Constraint, Trigger
from reconciler.adopt.proposal import Given, NoteKind, Proposal
from reconciler.adopt.quoting import quoted
from reconciler.adopt.recognise import recognise
from reconciler.store import migrations
from tests.unit.adopt.facts import HERE, column, propose, table, told, value


def todo(proposal: Proposal) -> list[str | None]:
    return [note.advice for note in proposal.notes_of(NoteKind.TODO)]


JOBS = table(
    column("comfyui_job_id"),
    column("Error", may_write=False),
    column("frames", "integer", may_read=False, may_write=False),
    column("secret", may_read=False, may_write=False),
)


def test_rights_by_column() -> None:
    assert todo(propose(JOBS)) == [
        "GRANT SELECT (frames) ON public.production_jobs TO app;",
        'GRANT UPDATE ("Error") ON public.production_jobs TO app;',
    ]


def test_a_schema_that_may_not_be_used() -> None:
    of = dataclasses.replace(JOBS, schema="Studio", may_use_schema=False)
    assert 'GRANT USAGE ON SCHEMA "Studio" TO app;' in todo(propose(of))


NOWHERE = dataclasses.replace(HERE, may_create_schema=False)
PLAIN = table(column("comfyui_job_id"))


def test_without_any_place_for_our_own_tables() -> None:
    found = propose(PLAIN, database=NOWHERE)
    assert "GRANT CREATE ON DATABASE prod TO app;" in (todo(found)[0] or "")
    assert "two commits, and no SQL can join them" in told(found)


def test_a_schema_where_we_may_create_is_taken() -> None:
    theirs = {"public": frozenset(), "app": frozenset({"events"}), "sandbox": frozenset({"x"})}
    found = propose(PLAIN, database=dataclasses.replace(NOWHERE, schemas=theirs))
    assert value(found, "own_schema", "database") is None
    choice = found.choice("database", "own_schema")
    assert choice is not None
    assert choice.value == "sandbox"
    assert not todo(found)


def test_our_own_schema_that_is_there_is_enough() -> None:
    ours = {"reconciler": frozenset({"events"})}
    found = propose(PLAIN, database=dataclasses.replace(NOWHERE, schemas=ours))
    assert found.choice("database", "own_schema") is None
    assert not todo(found)


def test_every_table_of_ours_is_known() -> None:
    versions = Path(migrations.__file__).parent / "versions"
    made = [
        name
        for file in versions.glob("*.sql")
        for name in re.findall(r"create table reconciler\.(\w+)", file.read_text(encoding="utf-8"))
    ]
    assert set(made) | {"migrations"} == rights._OURS


def test_another_database_for_them() -> None:
    found = recognise(NOWHERE, PLAIN, Given(), dataclasses.replace(HERE, name="own"))
    assert not todo(found)
    assert "our own tables lie in database own (database.own_url)" in told(found)


def test_another_database_where_nothing_may_be_created_either() -> None:
    found = recognise(HERE, PLAIN, Given(), dataclasses.replace(NOWHERE, name="own"))
    assert todo(found) == ["GRANT CREATE ON DATABASE own TO app;"]


def test_a_schema_that_was_named_is_not_replaced() -> None:
    theirs = dataclasses.replace(NOWHERE, schemas={"sandbox": frozenset()})
    found = propose(PLAIN, Given(own_schema="mine", own_schema_is_told=True), theirs)
    assert found.choice("database", "own_schema") is None
    assert "may not create the schema mine in prod" in told(found)


def test_a_standby_is_a_problem() -> None:
    found = propose(PLAIN, database=dataclasses.replace(HERE, standby=True))
    assert "standby" in found.problems[0].text


def test_names_are_quoted_where_sql_needs_it() -> None:
    names = ("plain", "user", "Mixed", 'a"b', "1st")
    assert [quoted(name) for name in names] == ["plain", '"user"', '"Mixed"', '"a""b"', '"1st"']


def test_conditions_on_what_we_write() -> None:
    both = Constraint("whole", ("status", "output_path"), "CHECK (...)")
    others = Constraint("others", ("owner", "made"), "CHECK (...)")
    words = told(propose(table(column("comfyui_job_id"), constraints=(both, others))))
    assert "whole holds for what we write, too: CHECK (...)" in words
    assert "others holds" not in words


def test_surprises_are_told() -> None:
    of = table(
        column("comfyui_job_id"),
        column("owner", not_null=True),
        column("made", not_null=True, default="now()"),
        triggers=(Trigger("touch", "set_updated_at"),),
        row_security=True,
    )
    words = told(propose(of))
    assert "trigger touch (set_updated_at) runs when we update a row" in words
    assert "NOT NULL without a default: owner. Harmless" in words
    assert "row-level security" in words
