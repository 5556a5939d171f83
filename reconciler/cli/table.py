"""The table of jobs: one line each, within the width that there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from reconciler.cli.terminal import safe
from reconciler.core.jobs import Status
from reconciler.store.views import JobView
from reconciler.words.times import short

STYLES = {
    Status.QUEUED.value: "dim",
    Status.PROCESSING.value: "cyan",
    Status.COMPLETED.value: "green",
    Status.FAILED.value: "red",
    Status.CANCELLED.value: "yellow",
}
#: Columns of the reason that are worth more than another column.
LEAST_REASON = 22
MAX_ID = 40
BAR = 7
GAP = 1


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cell: Callable[[JobView], Text]
    #: The last to be left out is 0.
    dispensable: int = 0
    right: bool = False


def jobs_table(jobs: Sequence[JobView], now: float, width: int) -> Table:
    """The jobs in the order given. Empty columns, and what has no room, are left out."""
    columns = _fitting(jobs, now, width)
    table = Table(
        box=None, pad_edge=False, padding=(0, GAP, 0, 0), width=width, header_style="bold"
    )
    for column, cells in columns:
        is_reason = column.name == "reason"
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if is_reason else None,
            width=None if is_reason else _width(column, cells),
        )
    for row in zip(*(cells for _, cells in columns), strict=True):
        table.add_row(*row)
    return table


def style(job: JobView) -> str:
    """The colour of its status; the words say the same."""
    return "yellow" if job.warned else STYLES.get(job.status, "")


def bar(percent: int | None, width: int = BAR) -> Text:
    """A progress bar that also says without colours how far it is."""
    percent = min(max(percent or 0, 0), 100)
    done = round(width * percent / 100)
    filled = Text("━" * done, "cyan") + Text("─" * (width - done), "dim")
    return filled + Text(f" {percent}%".rjust(5))


def _fitting(jobs: Sequence[JobView], now: float, width: int) -> list[tuple[_Column, list[Text]]]:
    columns = [
        (column, cells)
        for column in _columns(now)
        if any(cells := [column.cell(job) for job in jobs]) or not column.dispensable
    ]
    dispensable = sorted({c.dispensable for c, _ in columns if c.dispensable}, reverse=True)
    for rank in dispensable:
        used = sum(_width(c, cells) + GAP for c, cells in columns if c.name != "reason")
        if width - used >= LEAST_REASON:
            break
        columns = [(c, cells) for c, cells in columns if c.dispensable != rank]
    return columns


def _columns(now: float) -> tuple[_Column, ...]:
    return (
        _Column("job", lambda job: _cut(job.id, MAX_ID), right=True),
        _Column("type", lambda job: _cut(job.job_type or "", 14), dispensable=2),
        _Column("status", lambda job: Text(safe(job.status, 12), style(job))),
        _Column("progress", _progress, dispensable=1),
        _Column("eta", _eta, dispensable=3, right=True),
        _Column("server", lambda job: _cut(job.server or "", 12), dispensable=4),
        _Column("age", lambda job: _age(job, now), dispensable=1, right=True),
        _Column("reason", _reason),
    )


def _width(column: _Column, cells: Sequence[Text]) -> int:
    return max(cell_len(column.name), *(cell.cell_len for cell in cells), 0)


def _cut(text: str, limit: int) -> Text:
    return Text(safe(text, limit))


def _progress(job: JobView) -> Text:
    if job.status == Status.PROCESSING.value:
        return bar(job.progress)
    if job.status == Status.QUEUED.value and job.queue_position is not None:
        return Text(f"queue #{job.queue_position}")
    return Text("")


def _eta(job: JobView) -> Text:
    return Text(short(job.eta_s) if job.is_open and job.eta_s is not None else "")


def _age(job: JobView, now: float) -> Text:
    return Text("" if job.created_at is None else short(now - job.created_at))


def _reason(job: JobView) -> Text:
    reason = safe(job.reason or "")
    return Text(f"{job.failure}: {reason}" if job.failure else reason)
