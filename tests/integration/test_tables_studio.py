"""The three tables that one studio had over time: jobs in them end, and are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.studio_tables import STUDIO_TABLES, StudioTable
from tests.integration.tables import Stage, play, stage, wipe


@pytest.fixture(params=STUDIO_TABLES, ids=lambda table: table.name)
def studio(request: pytest.FixtureRequest) -> StudioTable:
    table: StudioTable = request.param
    return table


@pytest.fixture
def bench(module_database: str, tmp_path: Path, studio: StudioTable) -> Iterator[Stage]:
    wipe(module_database)
    with stage(module_database, tmp_path, studio.ddl, studio.mapping) as made:
        yield made


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_a_job_ends(bench: Stage, studio: StudioTable, ending: str) -> None:
    job = play(bench, ending, **studio.new_row)
    row = bench.row(job)
    assert row["status"] == ending
    view = bench.store.views.one(job)
    assert view is not None
    assert (view.status, view.word) == (ending, ending)
    assert view.reason
    if studio.error and ending == "failed":
        assert row[studio.error].startswith("execution_error: ")
    if studio.output_path and ending == "completed":
        assert row[studio.output_path].endswith(".png")
    if "completed_at" in row:
        assert row["completed_at"] is not None
    finals = [e.event for e in bench.store.jobs.story(job) if e.event.to_status == ending]
    assert len(finals) == 1


def test_a_new_row_keeps_its_word_until_something_happens(
    bench: Stage, studio: StudioTable
) -> None:
    job = bench.insert(**studio.new_row)
    bench.passes(2)
    assert bench.word(job) == "pending"
    (listed,) = bench.store.pages.listing(10)
    assert (listed.status, listed.word) == ("queued", "pending")
