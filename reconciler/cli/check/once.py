"""`reconciler check` of what is there now."""

from __future__ import annotations

import itertools
import time
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from reconciler.cli import terminal
from reconciler.cli.check.bar import Bar, bar
from reconciler.cli.check.listing import Listing
from reconciler.cli.check.order import Order, inspecting
from reconciler.cli.check.report import (
    SHOWN_FILES,
    UNREADABLE,
    JsonArray,
    Report,
    Screen,
    Tally,
    summary,
)
from reconciler.cli.check.work import Interrupts, in_order

if TYPE_CHECKING:
    from reconciler.settings import Settings


def once(order: Order, settings: Settings) -> int:
    """Check every file, tell of each in its order, and return the exit code."""
    began_s = time.monotonic()
    news: SimpleQueue[object] = SimpleQueue()
    listing, tally = Listing(order.given, order.recursive), Tally()
    with Interrupts(partial(news.put, None)) as interrupts:
        files = listing.files()
        first = list(itertools.islice(files, SHOWN_FILES + 1))
        with bar(partial(_count, order), order.json) as shown:
            report = _report(order, first, shown)
            try:
                with inspecting(order, settings, shown) as submit:
                    paths = itertools.chain(first, files)
                    for checked in in_order(paths, submit, news, interrupts.came):
                        tally.add(checked)
                        report.add(checked)
            finally:
                report.end()
        _end(order, listing, tally, time.monotonic() - began_s, interrupts.came())
    if interrupts.number is not None:
        return 128 + interrupts.number
    return tally.exit_code(strict=order.strict) if tally.found else UNREADABLE


def _count(order: Order) -> int:
    return sum(1 for _ in Listing(order.given, order.recursive).files())


def _report(order: Order, first: list[Path], shown: Bar) -> Report:
    if order.json:
        return JsonArray(terminal.raw, order.expected)
    few = len(first) <= SHOWN_FILES
    return Screen(shown.show, terminal.out().width, first, all_=order.all_ or few)


def _end(order: Order, listing: Listing, tally: Tally, took_s: float, interrupted: bool) -> None:
    """The summary, and what was not looked at. One file is its own summary."""
    single = tally.found.total() == 1 and not listing.folders
    if not order.json and tally.found and (interrupted or not single):
        terminal.say(summary(tally, took_s, interrupted=interrupted))
    if passed_over := listing.passed_over():
        terminal.remark(passed_over)
    if not tally.found and not interrupted:
        terminal.warn("error: ", "nothing to check: no media file in what was given")
    elif interrupted and (order.json or not tally.found):
        terminal.remark("interrupted")
