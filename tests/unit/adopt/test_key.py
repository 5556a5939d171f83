"""The column that tells rows apart, or why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.adopt.facts import ColumnSample, Kind, Table
from tests.unit.adopt.facts import column, propose, table, told, value


@pytest.mark.parametrize("type_name", ["integer", "bigint", "uuid", "text", "varchar(36)"])
def test_keys_of_every_usual_type(type_name: str) -> None:
    found = propose(table(column("job", type_name, not_null=True), keys=(("job",),)))
    assert value(found, "id") == "job"
    assert not found.problems


def test_the_primary_key_comes_first_and_the_others_are_told() -> None:
    key, other = column("n", "bigint", not_null=True), column("uuid", "uuid", not_null=True)
    found = propose(table(key, other, keys=(("n",), ("uuid",))))
    choice = found.choice("jobs", "columns", "id")
    assert choice is not None
    assert (choice.value, choice.alternatives) == ("n", ("uuid",))


def test_a_unique_column_does_where_the_primary_key_is_of_two() -> None:
    columns = column("tenant", "integer", not_null=True), column("job_uuid", "uuid", not_null=True)
    found = propose(table(*columns, keys=(("tenant", "id"), ("job_uuid",))))
    assert value(found, "id") == "job_uuid"


NO_KEYS: dict[str, tuple[Table, str, str]] = {
    "of two columns": (
        table(column("tenant", "integer", not_null=True), keys=(("tenant", "id"),)),
        "its key is tenant and id together",
        "ADD COLUMN job_key bigserial UNIQUE NOT NULL;",
    ),
    "none": (table(keys=()), "it has no key", "ADD COLUMN job_key"),
    "may be null": (
        table(column("job", "text"), keys=(("job",),)),
        "its key job may be null",
        "ALTER COLUMN job SET NOT NULL;",
    ),
    "a strange type": (
        table(column("job", "jsonb", not_null=True), keys=(("job",),)),
        "its key job is of type jsonb",
        "",
    ),
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_why_there_is_no_key(name: str) -> None:
    of, why, advice = NO_KEYS[name]
    found = propose(of)
    assert value(found, "id") is None
    assert why in found.problems[0].text
    assert advice in (found.problems[0].advice or "")


def view(**more: Any) -> Table:
    facts = {"kind": Kind.VIEW, "keys": (), "has_primary_key": False, "sources": ("jobs",)}
    return table(column("comfyui_job_id"), **{**facts, **more})


def test_a_view_has_the_key_that_its_rows_show() -> None:
    found = propose(view(seen={"id": ColumnSample(count=9, distinct=9)}))
    assert value(found, "id") == "id"
    assert "its 9 values seen are different" in told(found)
    assert "it is a view of jobs, and Postgres can update it" in told(found)


def test_a_view_that_shows_rows_twice_has_none() -> None:
    assert propose(view(seen={"id": ColumnSample(count=9, distinct=8)})).problems


def test_a_view_that_a_trigger_updates() -> None:
    found = propose(view(updatable=False, updatable_by_trigger=True))
    assert not found.problems
    assert "it is a view of jobs that a trigger updates" in told(found)


def test_a_view_that_nothing_can_be_written_to() -> None:
    found = propose(view(updatable=False))
    assert "it is a view of jobs" in found.problems[0].text
    assert "adopt jobs itself" in (found.problems[0].advice or "")


@pytest.mark.parametrize("kind", [Kind.MATERIALIZED, Kind.FOREIGN])
def test_what_cannot_be_written_at_all(kind: Kind) -> None:
    assert f"it is a {kind}" in propose(table(kind=kind)).problems[0].text


def test_partitions_need_the_time_in_their_key() -> None:
    of = table(
        column("at", "timestamptz", not_null=True),
        kind=Kind.PARTITIONED,
        keys=(("id", "at"),),
    )
    found = propose(of)
    assert value(found, "id") == "id"
    assert not found.problems


def test_a_table_without_a_status() -> None:
    for wrong in (column("status", "boolean"), column("status", updatable=False)):
        found = propose(table(wrong))
        assert "it has no status column" in found.problems[0].text
