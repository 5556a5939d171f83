"""Answers that last, as streams do, end with the token of whoever hears them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from reconciler.web.ending import App, Message, Receive, Scope, Send
from reconciler.web.security.keyring import FRESH_S

#: The last word, by the first. 1008: it is not allowed (RFC 6455).
_FAREWELLS: dict[str, Message] = {
    "http.response.start": {"type": "http.response.body", "body": b"", "more_body": False},
    "websocket.accept": {"type": "websocket.close", "code": 1008},
}


async def run_while_valid(
    app: App, scope: Scope, receive: Receive, send: Send, is_valid: Callable[[], Awaitable[bool]]
) -> None:
    """Runs the application for one request. Whenever something is sent, and `FRESH_S` have passed
    since it was known to be valid, that is asked again; what is not valid ends the answer."""
    task = asyncio.current_task()
    assert task is not None
    first: str | None = None
    known_s = time.monotonic()
    revoked = False

    async def sending(message: Message) -> None:
        nonlocal first, known_s, revoked
        if first in _FAREWELLS and time.monotonic() - known_s > FRESH_S:
            if not await is_valid():
                revoked = True
                task.cancel()
                await asyncio.sleep(FRESH_S)  # ends here, in whichever task this is
                return
            known_s = time.monotonic()
        first = first or message["type"]
        await send(message)

    try:
        await app(scope, receive, sending)
    except asyncio.CancelledError:
        if not revoked or first is None:
            raise
        task.uncancel()
        with suppress(Exception):
            await send(dict(_FAREWELLS[first]))
