"""`reconciler orphans`: files in the output directories that are nobody's, each with why."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from reconciler.words.orphans import Listed

#: Files that are listed; `--all` lists the rest.
SHOWN_FILES = 25
NO_SUCH_SERVER = 2
_UNITS_S = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def orphans(
    *,
    server: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only files of this server.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only files changed since: 90min, 24h, 7d, or a date as 2026-11-24.",
            show_default=False,
        ),
    ] = None,
    json_: options.Json = False,
    all_: Annotated[
        bool, typer.Option("--all", help=f"All files, not only the newest {SHOWN_FILES}.")
    ] = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """List output files that are nobody's, the newest first, and why each is not attributed.

    Only files that the service has seen. Nothing is ever guessed, changed or deleted.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.words import as_json
    from reconciler.words.orphans import explained

    with reading(settings) as store:
        now = store.jobs.now()
        from_s = 0.0 if since is None else instant(since, now)
        if server is not None:
            _require(server, [record.name for record in store.servers.all()])
        limit = None if all_ else SHOWN_FILES
        found, total = store.outputs.orphans(limit, server=server, since=from_s)
        listed = explained(store, found)
    if json_:
        shown = {"orphans": [as_json.orphan(one) for one in listed], "total": total}
        terminal.raw(json.dumps(shown, indent=2))
    elif listed:
        terminal.say(_table(listed, now))
        if total > len(listed):
            terminal.remark(f"{total - len(listed)} more: --all lists them, too.")
    else:
        some = " of these" if server is not None or since is not None else ""
        terminal.remark(f"No orphans: every file{some} that was seen is a job's, or may yet be.")


def instant(text: str, now: float) -> float:
    """The instant that is meant, in seconds since the epoch. Raises BadParameter."""
    ago = re.fullmatch(r"(\d{1,6})\s*(s|min|h|d|w)", text.strip())
    if ago is not None:
        return now - int(ago[1]) * _UNITS_S[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            "write how long ago (90min, 24h, 7d) or a date (2026-11-24, 2026-11-24T18:00)",
            param_hint="--since",
        ) from None


def _require(server: str, known: Collection[str]) -> None:
    from reconciler.cli.terminal import warn

    if server not in known:
        names = ", ".join(sorted(known)) or "none yet"
        warn("error: ", f"no server {server!r} was ever seen; known are: {names}")
        raise typer.Exit(NO_SUCH_SERVER)


def _table(listed: Sequence[Listed], now: float) -> Table:
    """For each file a line with age, size and path and, below the path, why it is nobody's."""
    from rich.table import Table
    from rich.text import Text

    from reconciler.cli.terminal import safe
    from reconciler.outputs.text import shown_path
    from reconciler.words.times import short

    several = len({one.orphan.server for one in listed}) > 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("age", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    if several:
        table.add_column("server", no_wrap=True, overflow="ellipsis", max_width=12)
    table.add_column("file", overflow="fold")
    for one in listed:
        orphan = one.orphan
        text = Text(shown_path(orphan.path))
        text.append(" (no longer there)" if one.exists is False else "", "yellow")
        text.append(f"\n{safe(one.why.words)}", "dim")
        cells = [short(now - orphan.facts.changed_at), size(orphan.size_bytes)]
        table.add_row(*cells, *([safe(orphan.server)] if several else []), text)
    return table


def size(size_bytes: int) -> str:
    """A size for a column: "980 B", "4.1 kB", "1.2 GB"."""
    value, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = 0 if unit == "B" or value >= 99.95 else 1
    return f"{value:.{digits}f} {unit}"
