"""Times without a zone are what the settings say, whatever the zone of a session or database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import TableError
from reconciler.words import as_json
from tests.integration.studio_tables import WITH_TRIGGER
from tests.integration.tables import play, run_sql, stage

#: Nobody's default, and no whole hour.
ZONE = "Asia/Kathmandu"
_FAR = "select extract(epoch from {}::timestamp - (now() at time zone %s))::float8 as off_s"
#: Longer than a test, shorter than the difference of any two zones.
SOON_S = 300.0


def off_s(bench: Any, value: Any, zone: str) -> float:
    """How far a time without a zone is from now in that zone."""
    return abs(float(bench.sql(_FAR.format("%s"), value, zone)[0]["off_s"]))


@pytest.mark.parametrize("database_zone", [ZONE, "UTC", "America/New_York"])
def test_they_are_read_and_written_in_the_zone_of_the_settings(
    database: str, tmp_path: Path, database_zone: str
) -> None:
    name = database.rpartition("/")[2]
    run_sql(database, f"alter database {name} set timezone to '{database_zone}'")
    mapping = {**WITH_TRIGGER.mapping, "timezone": ZONE}
    with stage(database, tmp_path, WITH_TRIGGER.ddl, mapping) as bench:
        now = bench.sql(f"select now() at time zone '{ZONE}' as now")[0]["now"]
        job = play(bench, "completed", **WITH_TRIGGER.new_row, created_at=now)
        row, view = bench.row(job), bench.store.views.one(job)
        # What the trigger wrote as well, in our session.
        assert off_s(bench, row["updated_at"], ZONE) < SOON_S
        assert off_s(bench, row["completed_at"], ZONE) < SOON_S
        assert view is not None
        for seen in (view.created_at, view.updated_at, view.completed_at):
            assert seen == pytest.approx(bench.store.jobs.now(), abs=SOON_S)


def test_they_stand_beside_others(database: str, tmp_path: Path) -> None:
    ddl = """
    create table production_jobs (
        id serial primary key, comfyui_job_id text, status text default 'queued',
        created_at timestamptz default now(), updated_at date, completed_at timestamp
    )"""
    with stage(database, tmp_path, ddl, {"timezone": ZONE}) as bench:
        job = play(bench, "completed")
        row, view = bench.row(job), bench.store.views.one(job)
        assert off_s(bench, row["completed_at"], ZONE) < SOON_S
        today = bench.sql(f"select (now() at time zone '{ZONE}')::date as today")[0]["today"]
        assert row["updated_at"] == today
        assert view is not None
        assert view.created_at == pytest.approx(bench.store.jobs.now(), abs=SOON_S)


def test_a_time_that_never_comes_is_no_time(database: str, tmp_path: Path) -> None:
    with stage(database, tmp_path, WITH_TRIGGER.ddl, WITH_TRIGGER.mapping) as bench:
        job = play(bench, "completed", **WITH_TRIGGER.new_row, created_at="infinity")
        assert bench.word(job) == "completed"


@pytest.mark.parametrize("instant", ["20000-01-01", "0044-03-15 BC"])
def test_a_time_that_no_calendar_of_ours_has_is_no_time(
    database: str, tmp_path: Path, instant: str
) -> None:
    """A row that somebody wrote so is told of all the same, by each way."""
    with stage(database, tmp_path, WITH_TRIGGER.ddl, WITH_TRIGGER.mapping) as bench:
        job = play(bench, "completed", **WITH_TRIGGER.new_row, created_at=instant)
        view = bench.store.views.one(job)
        assert view is not None
        assert view.created_at == pytest.approx(bench.store.jobs.now(), abs=SOON_S)
        assert as_json.job(view, now=0.0)["status"] == "completed"


def test_a_zone_that_is_none(database: str, tmp_path: Path) -> None:
    with (
        pytest.raises(TableError, match=r"knows no time zone 'Mars'.*jobs\.timezone"),
        stage(database, tmp_path, WITH_TRIGGER.ddl, {"timezone": "Mars"}),
    ):
        pass
