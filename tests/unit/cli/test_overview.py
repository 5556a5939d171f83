"""The screen of `status --watch`: whatever there is to show, it fits the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from reconciler.cli.overview import Overview, screen
from tests.unit.cli.builders import NOW, job


def overview(open_: int = 0, ended: int = 0, **more: Any) -> Overview:
    waiting = [job("queued", id=str(n), queue_position=n) for n in range(open_)]
    done = [job("completed", id=f"done {n}") for n in range(ended)]
    known = {
        "table": "production_jobs",
        "now": NOW,
        "counts": {"queued": open_, "completed": ended},
        "troubles": (),
        "waits": ("7", 61.0) if open_ else None,
    }
    return Overview(**{**known, "open": waiting, "ended": done, **more})


def drawn(shown: Overview, width: int, height: int, problem: str | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False)
    with console.capture() as captured:
        console.print(screen(shown, width, height, problem))
    return captured.get().splitlines()


@pytest.mark.parametrize("ended", [0, 1, 50])
@pytest.mark.parametrize("open_", [0, 1, 7, 300])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (200, 60), (80, 6)])
def test_it_fits(width: int, height: int, open_: int, ended: int) -> None:
    troubles = ["gpu1 has not answered for a long time " * 4] * 5
    for shown in (overview(open_, ended), overview(open_, ended, troubles=troubles)):
        lines = drawn(shown, width, height)
        assert len(lines) == height
        assert all(cell_len(line) <= width for line in lines)
        assert "Ctrl-C" in lines[-1]


def test_a_long_queue_leaves_room_for_the_last_endings_and_says_what_it_hides() -> None:
    lines = drawn(overview(100, 10), 80, 24)
    assert len(lines) == 24
    assert sum("done" in line for line in lines) == 4
    shown = sum("queue #" in line for line in lines)
    assert any(f"{100 - shown} more" in line for line in lines)
    assert "0 processing  100 queued  10 completed" in lines[1]


def test_what_fits_is_all_shown() -> None:
    lines = drawn(overview(5, 3), 80, 24)
    assert (
        sum("queue #" in line for line in lines) == 5 and sum("done" in line for line in lines) == 3
    )
    assert not any("more wait" in line for line in lines)


def test_a_database_that_is_away_is_said_in_place_of_what_may_be_old() -> None:
    lines = drawn(overview(1, troubles=["gpu1 is away"]), 80, 24, "The database is away.")
    assert "The database is away." in lines[2] and not any("gpu1" in line for line in lines)


def test_an_empty_table_says_what_to_do() -> None:
    assert any("an application inserts them" in line for line in drawn(overview(), 80, 24))
