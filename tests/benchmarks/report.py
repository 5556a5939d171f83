"""The tables: what was measured, beside the poller, with ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.benchmarks.measure import Measurement, Phase, Reaction

#: From so many values on there is a 99th percentile; of fewer the longest is shown.
_PERCENTILE_FROM = 100


def tail(values: Sequence[float]) -> float:
    """The 99th percentile; the longest, where there are fewer than 100."""
    if len(values) < _PERCENTILE_FROM:
        return max(values)
    return statistics.quantiles(values, n=100)[98]


def net(reaction: Reaction) -> float:
    """Without the decode."""
    return reaction.waited_s - reaction.decode_s


def show(console: Console, ours: list[Measurement], polled: list[Measurement]) -> None:
    """Prints everything."""
    pairs = list(zip(ours, polled, strict=True))
    console.print(_reactions(pairs))
    late = [
        f"{each.load.open_jobs} jobs: {missing} of {len(each.reactions)}"
        for each in (*ours, *polled)
        if (missing := sum(not reaction.came for reaction in each.reactions))
    ]
    if late:
        console.print(f"Rows not right yet, counted with the time so far: {'; '.join(late)}.")
    console.print(_served(pairs))


def show_costs(console: Console, measurements: list[Measurement]) -> None:
    """Prints what the service costs at rest."""
    table = _table("The service at rest")
    for title in ("open jobs", "measured s", "CPU % of a core", "its Postgres %", "RSS MB"):
        table.add_column(title, justify="right")
    for each in measurements:
        cost = each.cost
        table.add_row(
            str(each.load.open_jobs),
            f"{cost.over_s:.0f}",
            f"{cost.cpu_percent:.2f}",
            f"{cost.database_cpu_percent:.2f}",
            f"{cost.rss_bytes / 1e6:.0f}",
        )
    console.print(table)


def _reactions(pairs: list[tuple[Measurement, Measurement]]) -> Table:
    table = _table("Prompt end to row right, in seconds")
    table.caption = "99 %: the longest, where n < 100"
    for title in ("open jobs", "", "n", "median", "99 %"):
        table.add_column(title, justify="right")
    for ours, polled in pairs:
        rows = {
            "reconciler, minus the decode": [net(reaction) for reaction in ours.reactions],
            "reconciler, decode included": [reaction.waited_s for reaction in ours.reactions],
            "poller, which decodes nothing": [reaction.waited_s for reaction in polled.reactions],
        }
        for what, values in rows.items():
            middle, longest = statistics.median(values), tail(values)
            number = str(ours.load.open_jobs)
            table.add_row(number, what, str(len(values)), f"{middle:.3f}", f"{longest:.3f}")
        first, _, last = rows.values()
        middle = statistics.median(last) / statistics.median(first)
        table.add_row("", "ratio, minus the decode", "", f"{middle:.0f}", _ratio(last, first))
        table.add_section()
    return table


def _ratio(slow: list[float], fast: list[float]) -> str:
    return f"{tail(slow) / tail(fast):.0f}"


def _served(pairs: list[tuple[Measurement, Measurement]]) -> Table:
    """The poller asks the same whether prompts end or not; the reconciler asks when they do."""
    table = _table("What ComfyUI serves in a minute")
    for title in ("open jobs", "", "r at rest", "kB at rest", "+ r", "+ kB", "r", "kB"):
        table.add_column(title, justify="right")
    for ours, polled in pairs:
        rest, adds = _rates(ours)
        mine, theirs = (rest[0] + adds[0], rest[1] + adds[1]), _rates(polled)[0]
        number = str(ours.load.open_jobs)
        table.add_row(number, "reconciler", *_words(rest), *_words(adds), *_words(mine))
        table.add_row(number, "poller", *_words(theirs), "-", "-", *_words(theirs))
        at_rest, with_one = _times(theirs, rest), _times(theirs, mine)
        table.add_row("", "ratio", *at_rest, "", "", *with_one)
        table.add_section()
    table.caption = (
        "r: requests; +: what each prompt adds that is submitted and ends;"
        " last two: a minute with one such prompt"
    )
    return table


def _rates(measured: Measurement) -> tuple[tuple[float, float], tuple[float, float]]:
    """Requests and kB: a minute at rest, and what each prompt that ended added to that."""
    rest, busy = _total(measured.rest), _total(measured.busy)
    share = measured.busy.over_s / measured.rest.over_s
    minute, ends = 60 / measured.rest.over_s, max(measured.busy.ends, 1)
    adds = [(b - r * share) / ends for r, b in zip(rest, busy, strict=True)]
    return (rest[0] * minute, rest[1] * minute), (adds[0], adds[1])


def _total(phase: Phase) -> tuple[float, float]:
    return sum(phase.traffic.requests.values()), phase.traffic.served_bytes / 1e3


def _words(rates: tuple[float, float]) -> tuple[str, str]:
    return f"{rates[0]:.1f}", f"{rates[1]:,.1f}"


def _times(theirs: tuple[float, float], ours: tuple[float, float]) -> list[str]:
    return [f"{t / o:,.0f}" if o else "-" for t, o in zip(theirs, ours, strict=True)]


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.caption_justify = "left"
    return table
