"""Checked files for people: verdict, frames and file on one line each, below it what is wrong and
where. The columns are fixed, since what comes later is not known when the first line is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from reconciler.cli.check.checked import UNREADABLE_KIND, Checked, Found
from reconciler.cli.terminal import safe
from reconciler.outputs.inspection import Defect
from reconciler.outputs.text import shown_path
from reconciler.words.media import media_facts

#: What is no "sound" is also told by its letters: a pipe has no colours.
_SHOWN = {
    Found.SOUND: ("sound", "green"),
    Found.UNSOUND: ("UNSOUND", "bold red"),
    Found.UNJUDGED: ("unjudged", "bold yellow"),
    Found.UNREADABLE: ("UNREADABLE", "bold red"),
}
VERDICT, FRAMES, GAP = 10, 7, 2
#: Facts of sound files stand in a column of their own where most names leave room for it.
MOST_NAME, USUAL_NAME = 36, 24


def name_width(paths: Sequence[Path]) -> int:
    """The width of the names' column, as far as the first files tell."""
    return min(max((cell_len(shown_path(path)) for path in paths), default=USUAL_NAME), MOST_NAME)


def header() -> Table:
    """The names of the columns."""
    return _row(Text("verdict", "bold"), Text("frames", "bold"), Text("file", "bold"))


def line(checked: Checked, width: int, name: int) -> Table:
    """A file, for a screen of `width` columns and names of `name` columns."""
    words, style = _SHOWN[checked.found]
    text = Text(shown_path(checked.path))
    _add_facts(text, checked, width - VERDICT - FRAMES - 2 * GAP, name)
    for defect in checked.defects:
        style_of = "red" if checked.inspection else "bold red"
        text.append(f"\n{_told(defect)}", style_of)
    if checked.found is Found.UNJUDGED and checked.inspection is not None:
        text.append(f"\n{safe(checked.inspection.unjudged)}", "yellow")
    for warning in checked.warnings:
        text.append(f"\nwarning: {_told(warning)}", "yellow")
    return _row(Text(words, style), Text(_frames(checked)), text)


def _row(verdict: Text, frames: Text, file: Text) -> Table:
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(width=VERDICT, no_wrap=True)
    grid.add_column(width=FRAMES, no_wrap=True, justify="right")
    grid.add_column(overflow="fold")
    grid.add_row(verdict, frames, file)
    return grid


def _frames(checked: Checked) -> str:
    """Stills and sounds have none to count."""
    seen = checked.inspection
    if seen is None or seen.media != "video":
        return "-"
    return "?" if seen.frames is None else str(seen.frames)


def _add_facts(text: Text, checked: Checked, room: int, name: int) -> None:
    """What is in the file, as far as the line has room for it."""
    if checked.inspection is None:
        return
    gap = max(name - text.cell_len, 0) + GAP
    facts = media_facts(asdict(checked.inspection))
    while facts and text.cell_len + gap + cell_len(", ".join(facts)) > room:
        facts.pop()
    if facts:
        text.append(" " * gap + ", ".join(facts), "dim")


def _told(defect: Defect) -> str:
    """What is wrong, and where unless its words tell that themselves."""
    places = []
    if defect.offset is not None and str(defect.offset) not in defect.detail:
        places.append(f"byte {defect.offset}")
    if defect.at_s is not None:
        places.append(f"{defect.at_s:.2f} s")
    where = f" (at {', '.join(places)})" if places else ""
    kind = defect.kind.replace("_", " ")
    lead = "" if kind == UNREADABLE_KIND or kind in defect.detail else f"{kind}: "
    return f"{lead}{safe(defect.detail)}{where}"
