"""Ends the streams when the server stops: they would go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from reconciler.web.aborting import ABORT, abort_of

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: What a websocket is told: the server goes away (RFC 6455).
GOING_AWAY = 1001


class Endings:
    """Around the whole application: knows the answers that are under way."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._under_way: dict[asyncio.Task[Any], str] = {}
        self._ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        task = asyncio.current_task()
        if scope["type"] == "lifespan" or task is None:
            await self._app(scope, receive, send)
            return
        scope[ABORT] = abort_of(send)

        async def noting(message: Message) -> None:
            if message["type"] in _FAREWELLS:
                self._under_way[task] = message["type"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if not self._ending:
                raise
            with suppress(Exception):
                await send(dict(_FAREWELLS[self._under_way[task]]))
        finally:
            self._under_way.pop(task, None)

    def end(self) -> None:
        """Ends what has begun to answer. Call it in the loop."""
        self._ending = True
        for task in list(self._under_way):
            task.cancel()


#: The last word, by the first.
_FAREWELLS: dict[str, Message] = {
    "http.response.start": {"type": "http.response.body", "body": b"", "more_body": False},
    "websocket.accept": {"type": "websocket.close", "code": GOING_AWAY},
}
