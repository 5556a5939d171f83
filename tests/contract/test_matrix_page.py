"""The page about endings says what the matrix proves."""

from __future__ import annotations

import json

import pytest

from tests.contract.matrix.table import ALL, PAGE, embed, render, results


def test_the_page_has_the_scenarios_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert embed(page, "endings", render()) == page, "python -m tests.contract.matrix.table"


def test_every_scenario_has_a_row_among_the_results() -> None:
    page = PAGE.read_text(encoding="utf-8").partition("<!-- results -->")[2]
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    assert [name for name in rows if name] == ["---", *(each.name for each in ALL)]


def test_scenarios_have_names_of_their_own() -> None:
    assert len({each.name for each in ALL}) == len(ALL)


def test_results_of_a_report_find_their_cells() -> None:
    run = {"ground": "simulator 0.33.0", "pack": False, "scenario": ALL[0].name}
    first = run | {"status": "completed", "code": None, "seconds": 0.25}
    again = run | {"status": "failed", "code": "lost", "seconds": None}
    table = results(map(json.dumps, [first, again])).splitlines()
    assert table[2].split("|")[1:-1] == [f" {ALL[0].name} ", *["  "] * 3, " lost ", *["  "] * 2]


def test_a_page_without_its_markers_is_no_place_to_write_to() -> None:
    with pytest.raises(AssertionError, match="put them back"):
        embed("nothing", "endings", "text")
