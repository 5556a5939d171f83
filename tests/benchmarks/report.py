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
    console.print(_traffic("At rest: one prompt running, the others waiting", pairs, "rest"))
    console.print(_traffic("While prompts end", pairs, "busy"))


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
    table = _table("Reaction: prompt end to row right, in seconds (99 %: the longest if n < 100)")
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


def _traffic(title: str, pairs: list[tuple[Measurement, Measurement]], phase: str) -> Table:
    table = _table(f"{title}: what ComfyUI serves per minute")
    for column in ("open jobs", "", "ends", "requests", "kB", "of which"):
        table.add_column(column, justify="left" if column == "of which" else "right")
    for ours, polled in pairs:
        kinds: dict[str, Phase] = {
            "reconciler": getattr(ours, phase),
            "poller": getattr(polled, phase),
        }
        for what, one in kinds.items():
            ends = sum(one.traffic.requests.values())
            table.add_row(
                str(ours.load.open_jobs),
                what,
                "",
                f"{ends * 60 / one.over_s:.1f}",
                f"{_kb_per_minute(one):.1f}",
                _kinds(one),
            )
        requests = [sum(one.traffic.requests.values()) / one.over_s for one in kinds.values()]
        kb = [_kb_per_minute(one) for one in kinds.values()]
        table.add_row("", "ratio", "", _times(requests), _times(kb), "")
        table.add_section()
    return table


def _kb_per_minute(phase: Phase) -> float:
    return phase.traffic.served_bytes / 1e3 * 60 / phase.over_s


def _times(values: list[float]) -> str:
    return f"{values[1] / values[0]:.0f}" if values[0] else "-"


def _kinds(phase: Phase) -> str:
    counted = phase.traffic.requests.most_common()
    return ", ".join(f"{count * 60 / phase.over_s:.1f} {kind}" for kind, count in counted)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
