"""The scale of progress, and the time zone of times that say none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reconciler.adopt.facts import Column, ColumnSample
from reconciler.adopt.progress import recognise_scale
from reconciler.adopt.proposal import Confidence, Given
from tests.unit.adopt.facts import HERE, NOW, column, propose, table

HOUR = 3600.0
NOTHING = ColumnSample()


def seen(least: float, most: float, fractions: int = 0, count: int = 10) -> ColumnSample:
    return ColumnSample(count=count, least=least, most=most, fractions=fractions)


@pytest.mark.parametrize(
    ("progress", "values", "scale", "confidence"),
    [
        (column("progress", "integer"), NOTHING, "percent", Confidence.CERTAIN),
        (column("progress", "real"), seen(0, 87.5, 4), "percent", Confidence.CERTAIN),
        (column("progress", "real"), seen(0, 0.9, 4), "fraction", Confidence.LIKELY),
        (column("progress", "real"), seen(0, 1), "fraction", Confidence.LIKELY),
        (column("progress", "real"), seen(0, 0), "fraction", Confidence.ASSUMED),
        (column("progress", "real"), NOTHING, "fraction", Confidence.ASSUMED),
        (column("percent_done", "real"), NOTHING, "percent", Confidence.LIKELY),
        (
            column("progress", "numeric(3,2)", precision=(1, 2)),
            NOTHING,
            "fraction",
            Confidence.CERTAIN,
        ),
        (
            column("progress", "numeric(3,0)", precision=(3, 0)),
            NOTHING,
            "percent",
            Confidence.CERTAIN,
        ),
        (
            column("progress", "numeric(5,2)", precision=(3, 2)),
            NOTHING,
            "fraction",
            Confidence.ASSUMED,
        ),
    ],
)
def test_scales(progress: Column, values: ColumnSample, scale: str, confidence: Confidence) -> None:
    choice = recognise_scale(progress, values, Given())
    assert (choice.value, choice.confidence) == (scale, confidence)


@pytest.mark.parametrize(
    ("bounds", "scale"),
    [
        (
            "(progress >= (0.0)::double precision) AND (progress <= (1.0)::double precision)",
            "fraction",
        ),
        ("(progress >= (0)::numeric) AND (progress <= (100)::numeric)", "percent"),
        ("(progress <= '1'::double precision)", "fraction"),
    ],
)
def test_a_check_decides(bounds: str, scale: str) -> None:
    progress = column("progress", "real", checks=(f"CHECK (({bounds}))",))
    choice = recognise_scale(progress, NOTHING, Given())
    assert (choice.value, choice.confidence) == (scale, Confidence.CERTAIN)


def test_a_repeated_default_stands_where_nothing_is_known() -> None:
    given, progress = Given(repeated=frozenset({"progress"})), column("progress", "real")
    assert recognise_scale(progress, NOTHING, given).value == "percent"
    assert recognise_scale(progress, seen(0, 0.9, 4), given).value == "fraction"


def test_neither_percent_nor_fraction_is_not_progress() -> None:
    proposal = propose(table(column("progress", "integer"), seen={"progress": seen(0, 4000)}))
    choice = proposal.choice("jobs", "columns", "progress")
    assert choice is not None
    assert choice.value is False
    assert "goes up to 4000" in choice.reason
    assert proposal.choice("jobs", "progress") is None


def zone(
    newest_h: float | None,
    default: str | None = None,
    session: tuple[str, float] = ("Etc/UTC", 0.0),
    **more: Any,
) -> tuple[str, Confidence, str]:
    times = {} if newest_h is None else {"created_at": seen(0, NOW + newest_h * HOUR)}
    database = dataclasses.replace(HERE, timezone=session[0], utc_offset_s=session[1] * HOUR)
    created = column("created_at", "timestamp", default=default)
    choice = propose(table(created, seen=times), Given(**more), database).choice("jobs", "timezone")
    assert choice is not None
    return choice.value, choice.confidence, choice.reason


BERLIN = ("Europe/Berlin", 1.0)


@pytest.mark.parametrize(
    ("newest_h", "default", "session", "expected", "confidence"),
    [
        (None, None, ("Etc/UTC", 0.0), "UTC", Confidence.ASSUMED),
        (None, "now()", BERLIN, "Europe/Berlin", Confidence.LIKELY),
        (None, "CURRENT_TIMESTAMP", ("Etc/UTC", 0.0), "UTC", Confidence.LIKELY),
        (-0.01, "now()", ("Etc/UTC", 0.0), "UTC", Confidence.CERTAIN),
        (-0.01, "now()", BERLIN, "Europe/Berlin", Confidence.ASSUMED),
        (-1.01, "now()", BERLIN, "Europe/Berlin", Confidence.LIKELY),
        (None, "timezone('utc'::text, now())", BERLIN, "UTC", Confidence.CERTAIN),
        (None, "(now() AT TIME ZONE 'utc'::text)", BERLIN, "UTC", Confidence.CERTAIN),
        (None, "timezone('Asia/Tokyo'::text, now())", BERLIN, "Asia/Tokyo", Confidence.CERTAIN),
        # Nothing is made in the future.
        (0.99, "now()", BERLIN, "Europe/Berlin", Confidence.CERTAIN),
        (0.5, None, BERLIN, "Europe/Berlin", Confidence.LIKELY),
        (1.98, None, BERLIN, "Etc/GMT-2", Confidence.ASSUMED),
        (8.99, None, ("Etc/UTC", 0.0), "Etc/GMT-9", Confidence.ASSUMED),
        (400.0, None, ("Etc/UTC", 0.0), "UTC", Confidence.ASSUMED),
        # An application's own time.
        (-0.01, None, BERLIN, "UTC", Confidence.LIKELY),
        (-700.0, None, BERLIN, "UTC", Confidence.ASSUMED),
    ],
)
def test_zones(
    newest_h: float | None,
    default: str | None,
    session: tuple[str, float],
    expected: str,
    confidence: Confidence,
) -> None:
    found, how_sure, reason = zone(newest_h, default, session)
    assert (found, how_sure) == (expected, confidence), reason
    assert reason.startswith("of created_at: ")


@pytest.mark.parametrize(
    ("offset_h", "session", "expected", "confidence"),
    [
        (0.0, BERLIN, "UTC", Confidence.CERTAIN),
        (1.0, BERLIN, "Europe/Berlin", Confidence.CERTAIN),
        (9.0, BERLIN, "Etc/GMT-9", Confidence.LIKELY),
        (-5.0, BERLIN, "Etc/GMT+5", Confidence.LIKELY),
        (5.5, BERLIN, "UTC", Confidence.ASSUMED),
    ],
)
def test_times_beside_them_that_know_their_zone(
    offset_h: float, session: tuple[str, float], expected: str, confidence: Confidence
) -> None:
    database = dataclasses.replace(HERE, timezone=session[0], utc_offset_s=session[1] * HOUR)
    of = table(column("created_at", "timestamp"), column("completed_at", "timestamptz"))
    sample = dataclasses.replace(of.sample, utc_offset_s=offset_h * HOUR)
    choice = propose(dataclasses.replace(of, sample=sample), database=database).choice(
        "jobs", "timezone"
    )
    assert choice is not None
    assert (choice.value, choice.confidence) == (expected, confidence), choice.reason


def test_the_settings_have_the_last_word() -> None:
    assert zone(3.0, "now()", BERLIN, timezone="Asia/Tokyo")[0] == "Asia/Tokyo"


def test_times_that_say_their_zone_need_none() -> None:
    proposal = propose(table(column("created_at", "timestamptz")))
    assert proposal.choice("jobs", "timezone") is None
