"""Readers of the stream, in the web server's loop: each hears what it asked for, in order.

The same for server-sent events and for websockets, which only put it in other words.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from starlette.concurrency import run_in_threadpool

from reconciler import __version__
from reconciler.errors import DatabaseError
from reconciler.notify.feed import Feed
from reconciler.notify.messages import Filters, Kind, Message
from reconciler.notify.resuming import Page, read_page, why_lost
from reconciler.notify.subscription import Subscription
from reconciler.settings import Settings
from reconciler.store.feed import FeedStore
from reconciler.web.database import Stores

T = TypeVar("T")

#: Where nothing happens, a sign of life so often, in seconds: proxies close what is silent.
HEARTBEAT_S = 15.0
#: While it is not known yet where the stream begins: first and longest pause, in seconds.
BEGINNING_S = (0.02, 1.0)
#: Readers that read from the table at once what they missed: the pages need connections, too.
RESUMING = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """What a reader is to hear next; no message: a sign of life."""

    messages: list[Message]
    #: Whoever comes back with the id of this event misses nothing. None: not known yet.
    upto: int | None


class Live:
    """The feed, and how many hear it. Made once for an application."""

    def __init__(self, stores: Stores, settings: Settings) -> None:
        self.feed = Feed(stores.open_one)
        self.settings = settings
        self._stores = stores
        self._resuming = asyncio.Semaphore(RESUMING)

    @property
    def is_full(self) -> bool:
        """No more readers are let in."""
        return self.feed.readers >= self.settings.web.stream_readers

    async def why_lost(self, after: int, position: int) -> str | None:
        """See `resuming.why_lost`."""
        retention = self.settings.retention
        return await self._read(lambda store: why_lost(store, after, position, retention))

    async def page(self, after: int, upto: int, filters: Filters) -> Page:
        """See `resuming.read_page`."""
        return await self._read(lambda store: read_page(store, after, upto, filters))

    async def _read(self, read: Callable[[FeedStore], T]) -> T:
        """Reads as soon as it is its turn. Raises DatabaseError."""

        def read_now() -> T:
            with self._stores.one() as store:
                return read(FeedStore(store.connection))

        async with self._resuming:
            return await run_in_threadpool(read_now)


class LiveReader:
    """One reader, from its coming to its going: to be used in `with`, around its whole answer."""

    def __init__(
        self,
        live: Live,
        filters: Filters,
        after: int | None,
        abort: Callable[[], None] = lambda: None,
    ) -> None:
        """`after`: the event up to which it has heard everything; None: it begins now. `abort`
        ends its connection, for which nothing else helps if it takes nothing any more."""
        self._live = live
        self._after = after
        self._abort = abort
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._subscription = Subscription(filters, self._on_news)
        self._exit = ExitStack()

    @property
    def was_too_slow(self) -> bool:
        """It was dropped."""
        return self._subscription.dropped

    def __enter__(self) -> Self:
        self._exit.enter_context(self._live.feed.followed())
        self._exit.callback(self._live.feed.leave, self._subscription)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.close()

    async def batches(self) -> AsyncIterator[Batch]:
        """What it is to hear, without end; until it is dropped, or the feed closed."""
        async for batch in self._beginning():
            yield batch
        is_silent = False
        while not self._subscription.ended:
            messages, upto = self._subscription.take()
            if messages or is_silent:
                yield Batch(messages, upto)
            is_silent = not await self._has_news()

    async def _has_news(self) -> bool:
        """Waits for them. False where there are none for so long that a sign of life is due."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _beginning(self) -> AsyncIterator[Batch]:
        """Until it hears what happens: the greeting, and what it missed."""
        feed, after = self._live.feed, self._after
        was_away = False
        async for batch in self._until_begun():
            was_away |= bool(batch.messages)
            yield batch
        if after is not None:
            yield Batch([_hello(after)], after)
            async for batch in self._missed(after):
                yield batch
        elif (position := feed.join(self._subscription, None)) is not None:
            yield Batch([_hello(position)], position)
            if was_away:
                yield Batch([_resync("the database was away", position)], position)

    async def _until_begun(self) -> AsyncIterator[Batch]:
        feed, pause_s, told = self._live.feed, BEGINNING_S[0], None
        while feed.position is None and not feed.closed:
            if (problem := feed.problem) is not told and problem is not None:
                told = problem
                yield Batch([problem], self._after)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, BEGINNING_S[1])

    async def _missed(self, after: int) -> AsyncIterator[Batch]:
        """What came after an event, until the reader has joined those who hear what happens."""
        feed, is_known = self._live.feed, False
        while feed.join(self._subscription, after) is None and not feed.closed:
            position = feed.position or 0
            try:
                if not is_known and (reason := await self._live.why_lost(after, position)):
                    position = feed.join(self._subscription, None) or 0
                    yield Batch([_resync(reason, position)], position)
                    return
                is_known = True
                if after >= position:  # another process told it, which was faster
                    await asyncio.sleep(BEGINNING_S[0])
                    continue
                page = await self._live.page(after, position, self._subscription.filters)
            except DatabaseError:
                yield Batch([], after)
                await asyncio.sleep(BEGINNING_S[1])
                continue
            after = page.upto
            yield Batch(page.messages, after)

    def _on_news(self) -> None:
        """In the feed's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the reader with it
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._news.set()
        if self._subscription.dropped:
            self._abort()


def _hello(after: int) -> Message:
    return Message(Kind.HELLO, {"version": __version__}, after)


def _resync(reason: str, position: int) -> Message:
    return Message(Kind.RESYNC, {"reason": reason}, position)
