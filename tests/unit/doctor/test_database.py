"""What is concluded from the facts of a database; the facts themselves: tests/integration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.doctor.database import judge_clock, judge_server
from reconciler.doctor.finding import Finding, Level
from reconciler.doctor.jobs_table import judge_place, judge_statuses, judge_table
from reconciler.doctor.own_schema import judge_schema
from reconciler.settings.jobs import ColumnSettings, JobsSettings, StatusSettings
from reconciler.store import migrations
from reconciler.store.columns import Column
from reconciler.store.table import OPTIONAL, JobsTable

#: The revision of the newest migration, whichever that is: their files are named for them.
NEWEST = max(
    file.name.partition("_")[0]
    for file in Path(migrations.__path__[0], "versions").glob("[0-9]*_*.py")
)
URL = "postgresql://app@db/jobs"
SERVER: Mapping[str, Any] = {"version": "16.4", "version_number": 160_004, "read_only": False}


def test_a_server_that_fits() -> None:
    finding = judge_server(SERVER, URL)
    assert finding == Finding(Level.OK, "database", f"PostgreSQL 16.4, {URL}")


@pytest.mark.parametrize(
    ("number", "level"), [(120_022, Level.FAILED), (130_000, Level.OK), (180_004, Level.OK)]
)
def test_postgres_13_is_the_oldest(number: int, level: Level) -> None:
    finding = judge_server({**SERVER, "version_number": number}, URL)
    assert finding.level is level
    assert ("upgrade Postgres: versions 13 to" in finding.advice) is (level is Level.FAILED)


def test_a_standby_cannot_be_written() -> None:
    finding = judge_server({**SERVER, "read_only": True}, URL)
    assert finding.level is Level.FAILED
    assert "name the primary in database.url" in finding.advice


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [(2.1, "2.1 s ahead of this machine's"), (-3600.0, "3600.0 s behind this machine's")],
)
def test_clocks_that_differ(ahead_s: float, words: str) -> None:
    finding = judge_clock(ahead_s)
    assert finding.level is Level.WARNING
    assert words in finding.detail
    assert "NTP" in finding.advice


@pytest.mark.parametrize("ahead_s", [0.0, 1.9, -1.9])
def test_clocks_that_agree(ahead_s: float) -> None:
    assert judge_clock(ahead_s).level is Level.OK


RIGHTS = {"may_use": True, "may_create": True, "owner": "owner"}
WHOLE = [{"name": "events", "lacking": []}, {"name": "migrations", "lacking": []}]


def schema(
    revision: str | None = NEWEST,
    tables: list[dict[str, Any]] | None = None,
    **rights: bool,
) -> Finding:
    found = WHOLE if tables is None else tables
    return judge_schema({**RIGHTS, **rights}, found, revision, role="app")


def test_a_schema_that_is_up_to_date_needs_no_right_to_create() -> None:
    assert schema(may_create=False).level is Level.OK


def test_an_empty_schema_is_filled() -> None:
    finding = schema(None, [])
    assert finding.level is Level.OK
    assert f"`reconciler run` brings it to {NEWEST}" in finding.detail


def test_a_schema_that_may_not_be_filled() -> None:
    finding = schema(None, [], may_create=False)
    assert finding.level is Level.FAILED
    assert 'GRANT owner TO "app"' in finding.advice


def test_a_schema_of_a_newer_version() -> None:
    finding = schema("9999")
    assert finding.level is Level.FAILED
    assert "9999 is of a newer version" in finding.detail
    assert "use the newer version" in finding.advice


def test_tables_that_belong_to_somebody_else() -> None:
    finding = schema(tables=[{"name": "events", "lacking": ["SELECT", "INSERT"]}, WHOLE[1]])
    assert finding.level is Level.FAILED
    assert "events (SELECT, INSERT)" in finding.detail
    assert finding.advice.startswith("connect as user owner")


PLACE = {"found": False, "schema": "public", "may_create": True}


def test_no_table_yet() -> None:
    finding = judge_place(PLACE, "production_jobs", "app")
    assert finding.level is Level.WARNING
    assert "run `reconciler adopt`" in finding.advice


def test_no_table_and_no_right_to_make_it() -> None:
    finding = judge_place({**PLACE, "may_create": False}, "production_jobs", "app")
    assert finding.level is Level.FAILED
    assert finding.advice.startswith('GRANT CREATE ON SCHEMA "public" TO "app";')


def test_no_such_schema() -> None:
    finding = judge_place({**PLACE, "schema": None, "may_create": None}, "shop.jobs", "app")
    assert finding.level is Level.FAILED
    assert "no schema to make it in" in finding.detail


NEEDED = {name: Column("text") for name in ("id", "status", "comfyui_job_id")}
EVERY = JobsTable(
    ("jobs",),
    {
        **NEEDED,
        **dict.fromkeys((*OPTIONAL, "metadata"), Column("text")),
        "frames": Column("integer"),
        "progress": Column("integer"),
        **dict.fromkeys(
            ("created_at", "updated_at", "completed_at"), Column("timestamp with time zone")
        ),
    },
)
FACTS: Mapping[str, Any] = {
    "size_bytes": 0,
    "row_security": False,
    "owned": False,
    "unreadable": [],
    "unwritable": [],
    "indexed": True,
    "created_indexed": True,
}


def table(found: JobsTable = EVERY, **facts: Any) -> list[Finding]:
    return list(judge_table(found, {**FACTS, **facts}, "jobs", "app"))


def test_a_table_without_a_fault() -> None:
    (finding,) = table()
    assert finding.level is Level.OK
    assert finding.detail == "jobs: 12 columns, 0.0 MiB, may be read and written"


def test_columns_that_we_never_touch_need_no_rights() -> None:
    (finding,) = table(unreadable=["metadata"], unwritable=["metadata", "id", "job_type", "frames"])
    assert finding.level is Level.OK


def test_rights_are_asked_for_by_column() -> None:
    (finding,) = table(unreadable=["frames"], unwritable=["status", "error", "metadata"])
    assert finding.level is Level.FAILED
    assert finding.detail == "user app lacks SELECT (frames), UPDATE (status, error) on jobs"
    assert finding.advice == 'GRANT SELECT (frames), UPDATE (status, error) ON jobs TO "app";'


def test_missing_columns_and_what_is_lost() -> None:
    bare = JobsTable(("jobs",), NEEDED)
    missing, rights = table(bare)
    assert rights.level is Level.OK
    assert missing.level is Level.WARNING
    for column, lost in OPTIONAL.items():
        assert f"{column}: lost is {lost}" in missing.detail
        assert f"ADD COLUMN {column} " in missing.advice


def test_updated_at_is_added_where_the_table_is_ours() -> None:
    found = JobsTable(("jobs",), {k: v for k, v in EVERY.columns.items() if k != "updated_at"})
    assert [each.level for each in table(found, owned=True)] == [Level.OK]
    assert "updated_at: lost is" in table(found)[0].detail


def test_a_column_of_the_name_that_holds_something_else() -> None:
    found = JobsTable(("jobs",), {**EVERY.columns, "progress": Column("text")})
    missing, _ = table(found)
    assert missing.detail.startswith("jobs lacks progress is text: lost is progress in the row")
    assert missing.advice == "name another column in jobs.columns"


def test_what_the_settings_do_without_is_no_news() -> None:
    mapping = JobsSettings(columns=ColumnSettings(progress=False, updated_at=False))
    (finding,) = table(JobsTable(("jobs",), {**NEEDED, **EVERY.columns}, mapping))
    assert finding.level is Level.OK


def test_no_word_for_cancelled() -> None:
    mapping = JobsSettings(statuses=StatusSettings(cancelled=()))
    _, finding = table(JobsTable(("jobs",), EVERY.columns, mapping))
    assert finding.level is Level.OK
    assert "no word for cancelled" in finding.detail


def test_rows_that_may_be_hidden() -> None:
    _, finding = table(row_security=True)
    assert finding.level is Level.WARNING
    assert "BYPASSRLS" in finding.advice


@pytest.mark.parametrize(("size_bytes", "warned"), [(8 * 2**20, False), (9 * 2**20, True)])
def test_an_index_matters_for_large_tables(size_bytes: int, warned: bool) -> None:
    found = table(size_bytes=size_bytes, indexed=False)
    assert (len(found) == 2) is warned
    assert not warned or "CREATE INDEX CONCURRENTLY ON jobs (status)" in found[1].advice
    assert len(table(size_bytes=size_bytes, indexed=True)) == 1


def test_a_very_large_table_is_told_which_index_pages_by_age_want() -> None:
    found = table(size_bytes=2**30, created_indexed=False)
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    assert "CREATE INDEX CONCURRENTLY ON jobs (created_at);" in found[1].detail
    assert len(table(size_bytes=2**30, created_indexed=True)) == 1
    assert len(table(size_bytes=2**20, created_indexed=False)) == 1


def test_statuses_of_ours_alone() -> None:
    assert judge_statuses({}, ["queued"]).level is Level.OK


def test_statuses_that_are_none_of_ours() -> None:
    finding = judge_statuses(
        {"done": 7, "x" * 500: 3, "\x1b[2J": 2, "c": 1, "d": 1, "e": 1}, ["queued"]
    )
    assert finding.level is Level.WARNING
    assert finding.detail.startswith("none of ours: 'done' (7 rows)")
    assert "and more: such rows are left alone" in finding.detail
    assert "'e'" not in finding.detail
    assert len(finding.detail) < 300
    assert finding.detail.isprintable()
    assert "UPDATE them" in finding.advice
