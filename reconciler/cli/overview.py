"""What `reconciler status --watch` shows: read at once, and fitted to the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reconciler.cli.table import STYLES, jobs_table
from reconciler.cli.terminal import safe
from reconciler.core.jobs import Status
from reconciler.store.job_filter import JobFilter, Sort
from reconciler.words.agents import read as read_agents
from reconciler.words.servers import nobody_looks, server_trouble
from reconciler.words.times import duration, local
from reconciler.words.told import servers_of

if TYPE_CHECKING:
    from reconciler.settings import Settings
    from reconciler.store import Store
    from reconciler.store.views import JobView

#: Of what is wrong so many lines, of the last endings at least so many, where they fit.
MOST_TROUBLES, LEAST_ENDINGS = 3, 4
_FINAL = frozenset(status for status in Status if status.is_final)


@dataclass(frozen=True)
class Overview:
    """All jobs at one moment, as far as they fit on a screen."""

    table: str
    #: The database's clock.
    now: float
    counts: Mapping[str, int]
    troubles: Sequence[str]
    #: Those that run, then those that wait, in the order of the queue.
    open: Sequence[JobView]
    #: The newest endings first.
    ended: Sequence[JobView]
    #: Whose turn it has been for longest, and for how long, in seconds.
    waits: tuple[str, float] | None


def read_overview(
    store: Store, settings: Settings, counts: Mapping[str, int], lines: int
) -> Overview:
    """As it is now; jobs for so many lines. Raises DatabaseError."""
    now = store.jobs.now()
    wait_s, oldest = store.stats.longest_wait_s(), store.stats.oldest_waiting(1)
    ended = store.pages.page(JobFilter(statuses=_FINAL), sort=Sort.UPDATED, limit=lines)
    return Overview(
        store.table.shown,
        now,
        counts,
        troubles(store, settings, now),
        [view for view in store.pages.listing(lines) if view.is_open],
        ended.jobs,
        (oldest[0], wait_s) if oldest and wait_s is not None else None,
    )


def troubles(store: Store, settings: Settings, now: float) -> list[str]:
    """What is wrong with the servers, or that nobody looks at them. Raises DatabaseError."""
    servers = servers_of(store, settings)
    found = [words for server in servers if (words := server_trouble(server, now))]
    if idle := nobody_looks(servers, settings, now):
        return [*found, idle]
    known = read_agents(store.connection, now, settings.agent.takeover_s)
    return [*found, *known.unattended(server.name for server in servers)]


def screen(shown: Overview, width: int, height: int, problem: str | None = None) -> Group:
    """The whole of it in so many columns and lines."""
    told = shown.troubles if problem is None else [problem]
    most = min(MOST_TROUBLES, max(height - 6, 0))
    head: list[RenderableType] = [_title(shown, width), _counts(shown)]
    head += [_line(words, "yellow", width) for words in told[:most]]
    body = list(_tables(shown, width, height - len(head) - 2))
    used = sum(each.row_count + 1 if isinstance(each, Table) else 1 for each in body)
    gaps = [Text("")] * (height - len(head) - 2 - used)
    return Group(*head, Text(""), *body, *gaps, _foot(shown, width))


def _tables(shown: Overview, width: int, lines: int) -> Iterator[RenderableType]:
    """What is open, and below it what ended last: with a title of its own, after a gap."""
    for_ended = _lines_for_ended(shown, lines)
    room = lines - 1 - (for_ended + 3 if for_ended else 0)
    if not shown.open and not shown.ended and lines > 0:
        yield _line("No jobs yet: an application inserts them.", "dim", width)
    if shown.open and room > 0:
        fitting = room if _number_open(shown) <= room else room - 1
        if fitting:
            yield jobs_table(shown.open[:fitting], shown.now, width)
        if (hidden := _number_open(shown) - min(fitting, len(shown.open))) > 0:
            yield _line(f"{hidden} more wait or run", "dim", width)
        if for_ended:
            yield Text("")
    if for_ended:
        yield _line("Ended last", "bold", width)
        yield jobs_table(shown.ended[:for_ended], shown.now, width)


def _lines_for_ended(shown: Overview, lines: int) -> int:
    """The open ones need not leave room for more than a few of the others."""
    if not shown.open:
        return min(len(shown.ended), max(lines - 2, 0))
    least = LEAST_ENDINGS if lines >= 4 * LEAST_ENDINGS else 0
    return min(len(shown.ended), max(least, lines - _number_open(shown) - 4))


def _number_open(shown: Overview) -> int:
    counted = sum(shown.counts.get(each, 0) for each in (Status.QUEUED, Status.PROCESSING))
    return max(counted, len(shown.open))


def _title(shown: Overview, width: int) -> Text:
    clock = local(shown.now, shown.now)
    name = safe(shown.table, max(width - len(clock) - 12, 8))
    title = Text.assemble(("reconciler ", "bold"), name)
    return title + Text(clock.rjust(max(width - title.cell_len, len(clock) + 1)), "dim")


def _counts(shown: Overview) -> Text:
    """By status, in words and colours; those that are none of ours last."""
    first = (Status.PROCESSING, Status.QUEUED, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    names = [status.value for status in first]
    names += [name for name in shown.counts if name not in names]
    parts = [
        Text(f"{shown.counts.get(name, 0)} {safe(name, 20)}", STYLES.get(name, ""))
        for name in names
    ]
    counts = Text("  ").join(parts)
    counts.no_wrap, counts.overflow = True, "ellipsis"
    return counts


def _foot(shown: Overview, width: int) -> Text:
    waits = ""
    if shown.waits is not None:
        waits = f"; longest in a queue: {safe(shown.waits[0], 40)}, {duration(shown.waits[1])}"
    return _line(f"Ctrl-C ends{waits}", "dim", width)


def _line(words: str, style: str, width: int) -> Text:
    return Text(safe(words, width), style, no_wrap=True, overflow="ellipsis")
