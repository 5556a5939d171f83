"""`reconciler check --watch`: until it is interrupted, each file as soon as it has settled."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from reconciler.cli import terminal
from reconciler.cli.check.bar import SILENT
from reconciler.cli.check.checked import Checked
from reconciler.cli.check.listing import Listing
from reconciler.cli.check.order import Order, Submit, inspecting
from reconciler.cli.check.report import JsonLines, Report, Screen, Tally, summary
from reconciler.cli.check.watching import Folders, require_folders, watches
from reconciler.cli.check.work import Interrupts
from reconciler.outputs.text import shown_path
from reconciler.outputs.watch import Change

if TYPE_CHECKING:
    from reconciler.settings import Settings

#: What is heard: a change, words about lost events, a judged file, or None: look at the signals.
News = Change | str | Future[Checked] | None


def follow(order: Order, settings: Settings) -> int:
    """Check what is in the folders and what comes; return the exit code once interrupted.

    Raises OutputError where something is no folder.
    """
    require_folders(order.given)
    began_s = time.monotonic()
    news: SimpleQueue[News] = SimpleQueue()
    tally = Tally(repeats=True)
    report = _report(order)
    with (
        Interrupts(partial(news.put, None)) as interrupts,
        inspecting(order, settings, SILENT) as submit,
        watches(order.given, settings, news.put) as begun,
    ):
        folders = Folders(
            Listing(order.given, order.recursive),
            settle_s=settings.outputs.settle_s,
            rescan_s=settings.watch.rescan_s,
        )
        if order.new:
            folders.pass_over()
        terminal.remark(_welcome(order, {watch.kind for watch in begun}))
        round_ = _Round(folders, submit, news)
        while not interrupts.came():
            for checked in round_.next():
                tally.add(checked)
                report.add(checked)
    if not order.json:
        terminal.say(summary(tally, time.monotonic() - began_s, interrupted=False))
    return tally.exit_code(strict=order.strict)


def _report(order: Order) -> Report:
    if order.json:
        return JsonLines(terminal.raw, order.expected)
    return Screen(terminal.say, terminal.out().width, (), all_=True)


def _welcome(order: Order, kinds: set[str]) -> str:
    names = ", ".join(shown_path(path) for path in order.given)
    below = " and all below" if order.recursive else ""
    return f"Watching {names}{below} ({', '.join(sorted(kinds))}). Ctrl-C ends it."


class _Round:
    """One look at the folders after another, and what was judged meanwhile."""

    def __init__(self, folders: Folders, submit: Submit, news: SimpleQueue[News]) -> None:
        self._folders = folders
        self._submit = submit
        self._news = news
        self._running: dict[Path, Future[Checked]] = {}

    def next(self) -> list[Checked]:
        """Begin what has settled, wait for news, and give what was judged and still stands."""
        now_s = time.monotonic()
        for path in self._folders.settled(now_s, self._running):
            self._running[path] = self._submit(path)
            self._running[path].add_done_callback(self._news.put)
        judged = []
        for one in self._heard(self._folders.wait_s(now_s)):
            if isinstance(one, Change):
                self._folders.hear(one)
            elif isinstance(one, str):
                terminal.remark(one)
                self._folders.lost()
            elif one is not None:
                checked = one.result()
                del self._running[checked.path]
                if self._folders.stands(checked.path):
                    judged.append(checked)
        return judged

    def _heard(self, wait_s: float) -> list[News]:
        """The next news, if any come in time, and all that came with them."""
        heard: list[News] = []
        with suppress(Empty):
            heard.append(self._news.get(timeout=wait_s))
            while True:
                heard.append(self._news.get_nowait())
        return heard
