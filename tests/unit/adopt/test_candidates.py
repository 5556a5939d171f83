"""Which table is meant, and when to ask."""

from __future__ import annotations

import pytest

from reconciler.adopt.candidates import MAX_SAMPLED, likeness, ranked, worth_sampling
from reconciler.adopt.facts import Kind, Table
from tests.unit.adopt.facts import column, propose, table

PROMPT = column("comfyui_job_id")


def best(*tables: Table) -> str | None:
    found = ranked([propose(each) for each in tables]).best
    return None if found is None else found.table.name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("production_jobs", 3),
        ("jobs", 2),
        ("RenderJobs", 2),
        ("video_job", 2),
        ("render_queue", 1),
        ("tasks", 1),
        ("orders", 0),
        ("production_jobs_history", 0),
        ("jobs_archive", 0),
        ("job_events", 0),
    ],
)
def test_names(name: str, expected: int) -> None:
    assert likeness(name) == expected


def test_the_one_with_the_prompts_id() -> None:
    assert best(table(name="jobs"), table(PROMPT, name="render_queue")) == "render_queue"


def test_a_table_that_works_before_one_that_does_not() -> None:
    assert (
        best(table(PROMPT, name="production_jobs", keys=()), table(PROMPT, name="jobs")) == "jobs"
    )


def test_a_table_before_its_view() -> None:
    view = table(PROMPT, name="jobs_open", kind=Kind.VIEW, keys=())
    assert best(view, table(PROMPT, name="jobs")) == "jobs"


def test_two_that_are_as_good_are_asked_for() -> None:
    assert best(table(PROMPT, name="jobs"), table(PROMPT, name="video_jobs")) is None


def test_a_table_with_a_status_is_not_yet_one_of_jobs() -> None:
    assert best(table(name="orders")) is None
    assert best(table(PROMPT, name="orders")) == "orders"
    assert best() is None


def test_few_tables_are_looked_into() -> None:
    many = [table(name=f"t{n}") for n in range(30)]
    found = worth_sampling([*many, table(name="jobs"), table(column("status", "boolean"))])
    assert found[0].name == "jobs"
    assert len(found) == MAX_SAMPLED
