"""What the demonstration shows: a live table, and the comparison at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STYLES: Mapping[str, str] = {
    "queued": "dim",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
}


def live_table(rows: Sequence[Mapping[str, Any]], elapsed_s: float) -> RenderableType:
    """The jobs as their rows are now."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("job", justify="right", no_wrap=True)
    table.add_column("what is played", width=22, no_wrap=True, overflow="ellipsis")
    table.add_column("status", width=15, no_wrap=True)
    table.add_column("progress", width=8, no_wrap=True)
    table.add_column("why", no_wrap=True, ratio=1, overflow="ellipsis")
    for row in rows:
        table.add_row(
            row["id"],
            Text(row["job_type"]),
            Text(row["failure"] or row["status"], STYLES.get(row["status"], "")),
            "" if row["failure"] else ProgressBar(100, row["progress"] or 0, width=8),
            Text(_words(row)),
        )
    return Group(table, Text(f"{elapsed_s:.0f} s", "dim"))


def comparison(lines: Sequence[tuple[str, str, str, str, bool]]) -> RenderableType:
    """Job by job: what really happened, what the row says, and whether they agree."""
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("job", justify="right", no_wrap=True)
    for name in ("what was played", "must be", "row says"):
        table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("", no_wrap=True)
    for job_id, title, must_be, says, agrees in lines:
        mark = Text("agrees", "green") if agrees else Text("DIFFERS", "bold red")
        table.add_row(job_id, Text(title), Text(must_be), Text(says), mark)
    return table


def _words(row: Mapping[str, Any]) -> str:
    if row["queue_position"] and row["status"] == "queued":
        return f"number {row['queue_position']} in the queue"
    return str(row["reason"] or "")
