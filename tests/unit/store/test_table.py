"""The jobs table through its mapping: names, words and keys."""

from __future__ import annotations

import pytest

from reconciler.core.jobs import Status
from reconciler.settings.jobs import ColumnSettings, InsideColumn, JobsSettings, StatusSettings
from reconciler.settings.postgres import refused_table, table_parts
from reconciler.store.columns import Column
from reconciler.store.table import JobsTable

TIME = "timestamp with time zone"


@pytest.mark.parametrize(
    ("setting", "parts", "shown"),
    [
        ("jobs", ("jobs",), "jobs"),
        ("shop.jobs", ("shop", "jobs"), "shop.jobs"),
        ("Shop.Jobs", ("Shop", "Jobs"), '"Shop"."Jobs"'),
        ('"my.shop".jobs', ("my.shop", "jobs"), '"my.shop".jobs'),
        ('"of ""26"""', ('of "26"',), '"of ""26"""'),
    ],
)
def test_names(setting: str, parts: tuple[str, ...], shown: str) -> None:
    assert refused_table(setting) is None
    assert table_parts(setting) == parts
    assert JobsTable(parts, {}).shown == shown


@pytest.mark.parametrize(
    "setting", ["", ".", "a.b.c", "a.", '"a', 'a"b', '""', '"a"b', "a\0b", "x" * 64]
)
def test_what_is_no_name(setting: str) -> None:
    assert refused_table(setting) is not None


def table(columns: ColumnSettings | None = None, **found: Column) -> JobsTable:
    keys = {"id": Column("bigint"), "status": Column("text")}
    mapping = JobsSettings(columns=columns or ColumnSettings())
    return JobsTable(("jobs",), {**keys, **found}, mapping)


def test_a_column_is_what_the_settings_say_or_the_usual_one_if_it_fits() -> None:
    named = ColumnSettings(error="reason", updated_at=False)
    found = table(named, reason=Column("text"), progress=Column("text"), updated_at=Column(TIME))
    assert found.column("error") == "reason"
    assert found.column("updated_at") is None, "false: not to be used"
    assert found.column("progress") is None, "no number fits into it"
    assert not found.takes("completed_at")


def test_what_is_only_read() -> None:
    inside = ColumnSettings(frames=InsideColumn(column="parameters", path=("frames",)))
    found = table(inside, parameters=Column("jsonb"))
    assert found.has("frames")
    assert found.source("frames") == "parameters"
    assert found.column("frames") is None
    assert not table(error=Column("text", writable=False)).takes("error")


def test_words() -> None:
    words = StatusSettings(queued=("NEW", "PENDING"), cancelled=())
    labels = ("NEW", "processing", "completed", "failed")
    columns = {"id": Column("bigint"), "status": Column("state", labels=labels)}
    found = JobsTable(("jobs",), columns, JobsSettings(statuses=words))
    assert found.status_of("PENDING") is Status.QUEUED
    assert found.status_of("pending") is None, "case counts"
    assert found.status_of(None) is None
    assert found.words_of(Status.QUEUED) == ["NEW"], "an enumeration takes no other"
    assert found.word_of(Status.CANCELLED) == "failed"


@pytest.mark.parametrize(
    ("kind", "text", "can"),
    [
        ("bigint", "12", True),
        ("bigint", "twelve", False),
        ("integer", "2147483647", True),
        ("integer", "2147483648", False),
        ("uuid", "11111111-1111-4111-8111-111111111111", True),
        ("uuid", "12", False),
        ("text", "anything", True),
        ("text", "a\0b", False),
    ],
)
def test_what_could_be_a_key(kind: str, text: str, can: bool) -> None:
    assert JobsTable(("jobs",), {"id": Column(kind)}).could_be_key(text) is can
