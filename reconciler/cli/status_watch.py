"""`reconciler status --watch`: the jobs, live; on a terminal as a screen, else line by line."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from reconciler.cli import terminal
from reconciler.cli.overview import Overview, read_overview, screen
from reconciler.errors import DatabaseError
from reconciler.notify.following import Following
from reconciler.notify.messages import Message
from reconciler.store.feed import FeedStore
from reconciler.store.listening import Listener
from reconciler.web.standing import Standing
from reconciler.words.times import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from reconciler.settings import Settings
    from reconciler.store import Store

#: It is read anew so often where nothing is heard, and no more often where much is, in seconds.
BEAT_S, LEAST_S = 1.0, 0.25
#: Rows that are read for a screen, at most.
MOST_LINES = 200


def watch(store: Store, settings: Settings) -> None:
    """Shows the jobs until Ctrl-C."""
    with _until_told_to_end(), Listener(store.connection) as listener:
        listener.wait(0.0)
        if terminal.out().is_terminal:
            _Screen(store, settings).show(listener)
        else:
            _tell_changes(store, listener)


@contextmanager
def _until_told_to_end() -> Iterator[None]:
    """Both signals end it well: the terminal is left as it was."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


class _Screen:
    """The other screen of the terminal, drawn anew when something changed."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        #: To count reads the whole table: the longer it takes, the more seldom.
        self._counted: Standing[Mapping[str, int]] = Standing(BEAT_S)
        self._shown: Overview | None = None
        self._away_since_s: float | None = None

    def show(self, listener: Listener) -> None:
        """Draws until it is interrupted. Raises DatabaseError where it cannot even begin."""
        from rich.live import Live

        console = terminal.out()
        self._shown = self._read(console.height)
        with Live(
            self._drawn(), console=console, screen=True, auto_refresh=False, redirect_stderr=False
        ) as live:
            while True:
                live.update(self._drawn(), refresh=True)
                self._wait(listener, console.size)
                self._try_to_read(console.height)

    def _wait(self, listener: Listener, size: tuple[int, int]) -> None:
        """Until something changed, the terminal's size included, or a beat is over."""
        ends_s = time.monotonic() + BEAT_S
        time.sleep(LEAST_S)
        while terminal.out().size == size and time.monotonic() < ends_s:
            if listener.wait(LEAST_S):
                break

    def _try_to_read(self, lines: int) -> None:
        try:
            self._shown = self._read(lines)
            self._away_since_s = None
        except DatabaseError:
            if self._away_since_s is None:
                self._away_since_s = time.monotonic()

    def _read(self, lines: int) -> Overview:
        counts = self._counted.get(self._store.stats.by_status)
        return read_overview(self._store, self._settings, counts, min(lines, MOST_LINES))

    def _drawn(self) -> RenderableType:
        assert self._shown is not None
        size, problem = terminal.out().size, None
        if self._away_since_s is not None:
            away = duration(round(time.monotonic() - self._away_since_s))
            problem = f"The database has not answered for {away}: this is how it was. Trying again."
        return screen(self._shown, size.width, size.height, problem)


def _tell_changes(store: Store, listener: Listener) -> None:
    """A line for each event from now on, for a file or a pipe."""
    following, feed, away = Following(), FeedStore(store.connection), False
    while True:
        try:
            if not following.begun:
                following.begin(feed, _pause)
            following.read(feed, _say)
            if away:
                terminal.remark("The database answers again.")
            away = False
        except DatabaseError as error:
            if not following.begun:
                raise
            if not away:
                terminal.remark(f"{error} Trying again.")
            away = True
        held_s = following.held_s
        listener.wait(BEAT_S if held_s is None else held_s)


def _pause(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def _say(messages: list[Message], position: int) -> None:
    for message in messages:
        data = message.data
        at, job, status = data["at"], message.job_id or "", message.status
        words = [at, terminal.safe(job, 40), status or data["kind"], terminal.safe(data["reason"])]
        terminal.raw("  ".join(words))
    terminal.out().file.flush()
