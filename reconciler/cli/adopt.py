"""`reconciler adopt`: a table that is there already, its columns and words, into the settings."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reconciler.cli import options, terminal

if TYPE_CHECKING:
    from reconciler.adopt.find import Found
    from reconciler.settings import Settings

DECLINED, PROBLEM = 1, 3
#: Words that are asked for, at most.
MAX_QUESTIONS = 20


def adopt(
    *,
    table: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The table: NAME or SCHEMA.NAME.", show_default=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write it without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, and write nothing.")] = False,
    as_json: options.Json = False,
    own_schema: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The schema of our own tables.", show_default=False),
    ] = None,
    own_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another database for them, where nothing may be created in this one.",
            show_default=False,
        ),
    ] = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Recognise a jobs table that is there already, and write its names into the settings.

    It says what it takes for what, and why. The database is only read: whatever has to be changed
    in it is told, and left to you.
    """
    from reconciler.adopt.find import find
    from reconciler.adopt.plan import planned
    from reconciler.cli import adopt_report
    from reconciler.store.existing import running_url

    _require_names(table)
    more = {"url": database, "own_schema": own_schema, "own_url": own_url}
    path, settings = _load(config, log_level, data_dir, more)
    can_ask = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
    found = find(running_url(settings), settings, table)
    if can_ask:
        found = _asked(found, settings)
    if found.best is None:
        adopt_report.tell_of_none(found, as_json=as_json)
        raise typer.Exit(PROBLEM)
    plan = planned(found.best, settings, path)
    problems = found.best.problems
    write = yes and not dry_run and not problems and not plan.is_nothing
    if not as_json:
        adopt_report.tell(found, plan)
    if can_ask and not problems and not plan.is_nothing:
        write = typer.confirm(f"Write this into {terminal.safe(plan.file.path)}?", err=True)
    if write:
        plan.write()
    if as_json:
        terminal.raw(json.dumps(adopt_report.described(found, plan, written=write), indent=2))
    else:
        adopt_report.tell_the_end(plan, written=write, dry_run=dry_run, asked=can_ask)
    if problems:
        raise typer.Exit(PROBLEM)
    if not (write or dry_run or plan.is_nothing):
        raise typer.Exit(DECLINED)


def _require_names(table: str | None) -> None:
    from reconciler.settings.postgres import refused_table

    if table is not None and (refusal := refused_table(table)):
        raise typer.BadParameter(f"--table {refusal}, as Postgres shows it")


def _load(
    config: Path | None,
    log_level: options.LogLevel | None,
    data_dir: Path | None,
    database: dict[str, str | None],
) -> tuple[Path, Settings]:
    """The file to write, which need not be there yet, and the settings as they are now."""
    from reconciler.cli import logs
    from reconciler.settings import load
    from reconciler.settings.environment import CONFIG_VARIABLE
    from reconciler.settings.places import FILE_NAME

    logs.set_up(log_level or "warning", "console")
    flags: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    if given := {key: value for key, value in database.items() if value is not None}:
        flags["database"] = given
    named = config or (Path(name) if (name := os.environ.get(CONFIG_VARIABLE)) else None)
    if named is not None and not os.path.lexists(named.expanduser()):
        return named, load(config=Path(os.devnull), flags=flags)
    settings = load(config=config, flags=flags)
    return settings.source.file or Path.cwd() / FILE_NAME, settings


def _asked(found: Found, settings: Settings) -> Found:
    """The proposal after whoever sits there was asked for the words that nobody can know."""
    from reconciler.adopt.find import answered
    from reconciler.core.jobs import Status

    if found.best is None or not found.best.questions:
        return found
    choices = ", ".join(Status)
    table = found.best.table.setting
    terminal.remark(
        f"What do these words of the status in {table} mean: {choices}? Just Enter leaves rows with"
        " such a word alone."
    )
    answers: dict[str, Status] = {}
    for question in found.best.questions[:MAX_QUESTIONS]:
        words = f"{terminal.safe(question.word, 60)!r} ({question.rows} rows)"
        said = ""
        while said not in [*Status, "-"]:
            said = typer.prompt(words, default="-", err=True).strip().lower() or "-"
        if said != "-":
            answers[question.word] = Status(said)
    return answered(found, settings, answers)
