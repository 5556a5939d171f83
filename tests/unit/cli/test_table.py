"""The table of jobs at different widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from reconciler.cli.table import bar, jobs_table
from reconciler.core.jobs import FailureCode
from reconciler.store.views import JobView
from tests.unit.cli.builders import NOW, job

FULL = job(
    job_type="text2video",
    server="gpu1",
    progress=45,
    eta_s=100.0,
    created_at=NOW - 90,
    reason="a reason that is longer than any screen is wide " * 9,
)


def rendered(table: Table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def lines(*jobs: JobView, width: int = 80) -> list[str]:
    return rendered(jobs_table(jobs, NOW, width), width)


@pytest.mark.parametrize("width", [30, 50, 60, 80, 200])
def test_a_job_has_one_line_within_the_width(width: int) -> None:
    header, line = lines(FULL, width=width)
    assert len(line) <= width
    assert line.endswith("…")
    assert header.split()[0] == "job"


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, ["job", "type", "status", "progress", "eta", "server", "age", "reason"]),
        (70, ["job", "type", "status", "progress", "eta", "age", "reason"]),
        (66, ["job", "type", "status", "progress", "age", "reason"]),
        (55, ["job", "status", "progress", "age", "reason"]),
        (35, ["job", "status", "reason"]),
    ],
)
def test_what_is_least_worth_goes_first(width: int, columns: list[str]) -> None:
    assert lines(FULL, width=width)[0].split() == columns


def test_an_empty_column_is_left_out() -> None:
    assert lines(job("queued"))[0].split() == ["job", "status", "reason"]


def test_only_what_fits_the_status_is_shown() -> None:
    queued = job("queued", queue_position=3, progress=45, eta_s=5.0)
    done = job("completed", queue_position=3, progress=100, eta_s=5.0)
    _, first, second = lines(queued, done)
    assert first.split() == ["7", "queued", "queue", "#3", "5s"]
    assert second.split() == ["7", "completed"]


def test_a_failure_is_named_before_its_reason() -> None:
    failed = job("failed", failure=FailureCode.LOST, reason="not found")
    assert lines(failed)[1].endswith("lost: not found")


def test_wide_characters_count_double() -> None:
    line = lines(job(job_type="動画生成", reason="日本語のエラー" * 20))[1]
    assert sum(2 if ord(c) > 0x2E80 else 1 for c in line) <= 80


def test_markup_and_control_characters_are_text() -> None:
    line = lines(job("failed", job_type="[red]x", reason="[/] \x1b[2J \x07 \n"))[1]
    assert line.endswith("[/] \\x1b[2J \\x07 \\n")
    assert "[red]x" in line


@pytest.mark.parametrize(
    ("percent", "drawn"),
    [
        (None, "───────   0%"),
        (-5, "───────   0%"),
        (50, "━━━━───  50%"),
        (100, "━━━━━━━ 100%"),
        (900, "━━━━━━━ 100%"),
    ],
)
def test_a_bar_needs_no_colour(percent: int | None, drawn: str) -> None:
    assert bar(percent).plain == drawn
