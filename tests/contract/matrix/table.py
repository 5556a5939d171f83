"""The scenarios as a table for people: `python -m tests.contract.matrix.table` writes it into
docs/endings.md, and `... table REPORT` the results of runs with MATRIX_REPORT as well."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.contract.matrix.crashes import CRASHES, UNTAGGED
from tests.contract.matrix.ends import ENDS
from tests.contract.matrix.savers import SAVERS
from tests.contract.matrix.scenario import Says, Scenario

PAGE = Path(__file__).parents[3] / "docs" / "endings.md"
ALL: tuple[Scenario, ...] = (*SAVERS, *ENDS, *CRASHES, *UNTAGGED)
GROUNDS = ("simulator", "0.3.64", "0.33.0")


def render() -> str:
    """What the row says in each case."""
    lines = ["| what happens | with the pack | without it | |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {each.title} | {_says(each.with_pack)} | {_says(each.without)} | {each.remark} |"
        for each in ALL
    ]
    return "\n".join(lines) + "\n"


def results(lines: Iterable[str]) -> str:
    """Status and seconds of each run that a report tells of; the last one of a cell counts."""
    cells = {}
    for line in lines:
        run: dict[str, Any] = json.loads(line)
        ground = run["ground"].partition(" ")[0]
        cells[run["scenario"], ground, run["pack"]] = _ran(run)
    columns = [(ground, pack) for pack in (True, False) for ground in GROUNDS]
    heads = [f"{ground}, {'pack' if pack else 'none'}" for ground, pack in columns]
    table = [f"| | {' | '.join(heads)} |", f"| --- |{' --- |' * len(heads)}"]
    for each in ALL:
        row = [cells.get((each.name, *column), "") for column in columns]
        table.append(f"| {each.name} | {' | '.join(row)} |")
    return "\n".join(table) + "\n"


def embed(page: str, name: str, text: str) -> str:
    """The page with the text between the two markers of that name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    assert found and closed, f"the page lacks {begin} or {end}: put them back"
    return f"{head}{begin}\n\n{text}\n{end}{tail}"


def _says(says: Says) -> str:
    return f"{says.status}: {says.code}" if says.code else says.status


def _ran(run: dict[str, Any]) -> str:
    said = run["code"] or run["status"]
    return said if run["seconds"] is None else f"{said} {run['seconds']:.1f}"


def main() -> None:
    """Write the page anew."""
    page = embed(PAGE.read_text(encoding="utf-8"), "endings", render())
    if sys.argv[1:]:
        lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
        page = embed(page, "results", results(lines))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
