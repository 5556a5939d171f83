"""What `reconciler adopt` shows: for people within 80 columns, and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from rich.table import Table as Grid
from rich.text import Text

from reconciler.adopt.changes import plain
from reconciler.adopt.columns import NONE
from reconciler.adopt.columns import shown as place
from reconciler.adopt.facts import Database, Table
from reconciler.adopt.find import Found
from reconciler.adopt.plan import Plan
from reconciler.adopt.proposal import Choice, Confidence, Note, NoteKind, Proposal
from reconciler.cli import terminal
from reconciler.cli.terminal import safe

_STYLES = {
    Confidence.GIVEN: "dim",
    Confidence.CERTAIN: "green",
    Confidence.LIKELY: "",
    Confidence.ASSUMED: "yellow",
}
_MAX_NAME = 24
_HEADINGS = {
    NoteKind.NOTE: ("note", "dim"),
    NoteKind.TODO: ("to do", "yellow"),
    NoteKind.PROBLEM: ("problem", "bold red"),
}
_INDENT = 9


def tell(found: Found, plan: Plan) -> None:
    """The proposal, and what would change in the file."""
    proposal = plan.proposal
    for line in _head(found.database, proposal.table):
        _say(line)
    terminal.say(_choices(proposal))
    if lost := [choice for choice in proposal.choices if choice.value is False]:
        terminal.out().print(_block("lost", "", "; ".join(map(_lost, lost))), soft_wrap=True)
    for kind in NoteKind:
        for note in proposal.notes_of(kind):
            terminal.out().print(_note(note), soft_wrap=True)
    if plan.is_nothing or proposal.problems:
        return
    terminal.raw("")
    for line in plan.shown().splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        terminal.out().print(Text(safe(line), style), soft_wrap=True)
    terminal.raw("")


def tell_the_end(plan: Plan, *, written: bool, dry_run: bool, asked: bool) -> None:
    """What became of it, and what comes next."""
    path = safe(plan.file.path)
    if written:
        terminal.remark(f"Written: {path}. Next: `reconciler doctor`, then `reconciler run`.")
    elif plan.proposal.problems:
        terminal.remark("Nothing was written: solve the problem above, and run this again.")
    elif plan.is_nothing:
        terminal.remark(f"Nothing to do: the settings ({path}) say this already.")
    elif dry_run:
        terminal.remark("Nothing was written: --dry-run.")
    else:
        why = "" if asked else ": nobody can be asked here. Write it with --yes"
        terminal.remark(f"Nothing was written{why}.")


def tell_of_none(found: Found, *, as_json: bool) -> None:
    """No table stands out: those that there are, each with what speaks for and against it."""
    if as_json:
        told = {"table": None, "candidates": [_candidate(each) for each in found.proposals]}
        terminal.raw(json.dumps(told, indent=2))
        return
    where = f"database {found.database.name}, as user {found.database.role}"
    if not found.proposals:
        terminal.warn(
            "error: ",
            f"no table with a status is to be seen in {where}. Name one with --table, or create"
            " the default one with `reconciler run`",
        )
        return
    terminal.warn("error: ", f"which table holds the jobs in {where}? Choose one with --table NAME")
    for proposal in found.proposals:
        problems = "; ".join(note.text for note in proposal.problems)
        prompt = _value_of(proposal, "prompt_id")
        what = problems or (f"prompt id in {prompt}" if prompt else "no column for a prompt's id")
        _say(f"--table {proposal.table.setting}: {proposal.table.kind}, {what}")


def described(found: Found, plan: Plan, *, written: bool) -> dict[str, Any]:
    """Everything, for programs."""
    proposal = plan.proposal
    return {
        "table": proposal.table.setting,
        "file": str(plan.file.path),
        "written": written,
        "settings": plain(plan.wanted),
        "choices": [
            {
                "setting": ".".join(choice.setting),
                "value": choice.value,
                "confidence": choice.confidence.value,
                "reason": choice.reason,
                "alternatives": list(choice.alternatives),
                "lost": choice.lost,
            }
            for choice in proposal.choices
        ],
        "notes": [
            {"kind": note.kind.value, "text": note.text, "advice": note.advice}
            for note in proposal.notes
        ],
        "unknown_words": {question.word: question.rows for question in proposal.questions},
        "candidates": [_candidate(each) for each in found.proposals],
    }


def _candidate(proposal: Proposal) -> dict[str, Any]:
    return {
        "table": proposal.table.setting,
        "kind": proposal.table.kind.value,
        "prompt_id": _value_of(proposal, "prompt_id"),
        "problems": [note.text for note in proposal.problems],
    }


def _value_of(proposal: Proposal, column: str) -> str | None:
    choice = proposal.choice("jobs", "columns", column)
    return None if choice is None or choice.value is False else place(choice.value)


def _head(database: Database, table: Table) -> Iterator[str]:
    path = ", ".join(database.search_path) or "empty"
    yield (
        f"Database {database.name}, user {database.role}, Postgres {database.version}, search path"
        f" {path}, time zone {database.timezone}."
    )
    rows = "" if table.rows is None else f", about {table.rows} rows"
    seen = f"; {table.sample.rows} of its rows were looked at" if table.sample.rows else ""
    yield (
        f"{table.kind.capitalize()} {table.schema}.{table.name}: {len(table.columns)} columns"
        f"{rows}{seen}."
    )


def _choices(proposal: Proposal) -> Grid:
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), width=terminal.out().width)
    grid.add_column("setting", no_wrap=True)
    grid.add_column("in this table", max_width=_MAX_NAME, overflow="fold")
    grid.add_column("why", ratio=1)
    for choice in (each for each in proposal.choices if each.value is not False):
        grid.add_row(
            _label(choice),
            Text(safe(_words(choice.value), 200), _STYLES[choice.confidence]),
            Text(safe(_why(choice), 600)),
        )
    return grid


def _label(choice: Choice) -> str:
    if choice.setting == ("jobs", "progress"):
        return "  scale"
    return f"  {choice.name}" if choice.setting[1] == "statuses" else choice.name


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return place(value)


def _why(choice: Choice) -> str:
    why = f"assumed: {choice.reason}" if choice.confidence is Confidence.ASSUMED else choice.reason
    if choice.alternatives:
        why += f". Also possible: {', '.join(choice.alternatives[:4])}"
    return why


def _lost(choice: Choice) -> str:
    why = "" if choice.reason == NONE else f" ({choice.reason})"
    return f"no {choice.name}{why}: {choice.lost}"


def _note(note: Note) -> Text:
    lead, style = _HEADINGS[note.kind]
    return _block(lead, style, note.text, *([note.advice] if note.advice else []))


def _block(lead: str, style: str, *texts: str) -> Text:
    lines = [line for text in texts for line in _wrapped(text)]
    shown = Text(f"{lead:<{_INDENT}}" + f"\n{' ' * _INDENT}".join(lines))
    shown.stylize(style, 0, len(lead))
    return shown


def _say(line: str) -> None:
    terminal.out().print(Text("\n".join(_wrapped(line, 0))), soft_wrap=True)


def _wrapped(text: str, indent: int = _INDENT) -> list[str]:
    """Broken between words alone: a statement stays whole, to be copied."""
    width = max(20, terminal.out().width - indent)
    return textwrap.wrap(safe(text), width, break_long_words=False, break_on_hyphens=False)
