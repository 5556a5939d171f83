"""`reconciler doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from reconciler.cli import options, terminal
from reconciler.errors import SettingsError

if TYPE_CHECKING:
    from reconciler.doctor.finding import Finding

FAILED, UNREADABLE = 1, 3
_INDENT = 9
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(
    *,
    as_json: options.Json = False,
    server: options.Server = None,
    output_dir: options.OutputDir = None,
    stored_path: options.StoredPath = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Check settings, database, servers, directories and this machine, and say what to do.

    Looks only: nothing is started, created or changed. Run it as the user of the service.
    """
    from reconciler.doctor.examine import examine
    from reconciler.doctor.settings import settings_problems

    try:
        settings = options.load_settings(
            config,
            log_level,
            server=server,
            output_dir=output_dir,
            stored_path=stored_path,
            database=database,
            data_dir=data_dir,
        )
    except SettingsError as error:
        _tell(settings_problems(error), as_json=as_json)
        raise typer.Exit(UNREADABLE) from None
    levels = _tell(examine(settings), as_json=as_json)
    raise typer.Exit(FAILED if "failed" in levels else 0)


def _tell(findings: Iterable[Finding], *, as_json: bool) -> list[str]:
    """Shows them, for people one by one as they come; returns their levels."""
    told = []
    for finding in findings:
        told.append(finding)
        if not as_json:
            terminal.out().print(as_text(finding, terminal.out().width), soft_wrap=True)
    levels = [finding.level.value for finding in told]
    if as_json:
        terminal.raw(json.dumps([asdict(finding) for finding in told], indent=2))
    else:
        counts = [f"{levels.count(level)} {level}" for level in _STYLES if level in levels]
        terminal.remark(", ".join(counts))
    return levels


def as_text(finding: Finding, width: int) -> Text:
    """A finding for people: its first line begins with the level, the others are indented."""
    lines = _wrapped(f"{finding.what}: {finding.detail}", width)
    if finding.advice:
        lines += _wrapped(f"what to do: {finding.advice}", width)
    level = finding.level.value
    shown = Text(f"{level:<{_INDENT}}" + f"\n{' ' * _INDENT}".join(lines))
    shown.stylize(_STYLES[level], 0, len(level))
    return shown


def _wrapped(text: str, width: int) -> list[str]:
    """Broken between words alone: a path or a command stays whole, to be copied."""
    return textwrap.wrap(
        terminal.safe(text),
        max(20, width - _INDENT),
        break_long_words=False,
        break_on_hyphens=False,
    )
