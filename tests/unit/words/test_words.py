"""Times, jobs and servers in words."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from reconciler.core.jobs import FailureCode
from reconciler.store.servers import ServerRecord
from reconciler.words import jobs, servers, times
from tests.unit.cli.builders import NOW, job


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3.0, "0 s"),
        (0.04, "0 s"),
        (0.36, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (252.0, "4 min 12 s"),
        (3600.0, "1 h"),
        (3601.0, "1 h"),
        (7500.0, "2 h 5 min"),
        (190_800.0, "2 d 5 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, said: str) -> None:
    assert times.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-1.0, "0s"), (42.4, "42s"), (252.0, "4m"), (7500.0, "2h"), (999_999.0, "11d")],
)
def test_a_short_duration_has_one(seconds: float, said: str) -> None:
    assert times.short(seconds) == said


def test_things_are_counted() -> None:
    said = [times.counted(number, "frame") for number in (0, 1, 2, None)]
    assert said == ["0 frames", "1 frame", "2 frames", "unknown frames"]


def test_another_day_is_told_with_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        noon = datetime(2026, 8, 1, 12, 0, 5).timestamp()
        assert times.local(noon, noon + 60) == "12:00:05"
        assert times.local(noon, noon + 86_400) == "2026-08-01 12:00:05"
        assert times.iso(noon) == "2026-08-01T10:00:05.000+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_verdict_names_the_code() -> None:
    assert jobs.verdict(job("failed", failure=FailureCode.LOST)) == "failed: lost"
    assert jobs.verdict(job("archived\x1b")) == "archived\\x1b"


def test_a_server_that_answers_needs_no_words() -> None:
    assert servers.server_trouble(ServerRecord("gpu", "http://gpu"), NOW) is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("refused", "nothing listens"),
        ("timeout", "in time"),
        ("answer", "not ComfyUI"),
        (None, "no"),
    ],
)
def test_a_silent_server_is_told_by_how_it_is_silent(how: str | None, said: str) -> None:
    record = ServerRecord("gpu", "http://gpu", unreachable_since=NOW - 60, unreachable_how=how)
    words_of_it = servers.server_trouble(record, NOW)
    assert words_of_it is not None
    assert words_of_it.startswith("gpu has not answered for 1 min: ")
    assert said in words_of_it


def test_a_dead_worker_is_told_with_what_to_do() -> None:
    record = ServerRecord("gpu", "http://gpu", worker_dead_since=NOW - 120)
    words_of_it = servers.server_trouble(record, NOW)
    assert words_of_it is not None
    assert words_of_it.startswith("gpu is unhealthy: it answers, but its worker thread has been")
    assert "dead for 2 min (http://gpu). Restart ComfyUI" in words_of_it


def test_several_servers_are_told_as_long_as_they_are_in_doubt() -> None:
    record = ServerRecord("gpu", "http://gpu", boot_returned_at=NOW - 60, worker_dead_since=NOW)
    words_of_it = servers.server_trouble(record, NOW)
    assert words_of_it is not None
    assert "several ComfyUI servers answer behind http://gpu" in words_of_it
    assert servers.server_trouble(ServerRecord("gpu", "x", boot_returned_at=0.0), NOW) is None
