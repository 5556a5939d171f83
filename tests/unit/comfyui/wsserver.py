"""A small real websocket server that keeps its clients the way ComfyUI does."""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from aiohttp import WSMsgType, web

Script = Callable[["Guest"], Awaitable[None]]


def status(queue_remaining: int) -> dict[str, Any]:
    """The message that ComfyUI sends on connecting and whenever its queue changes."""
    return {
        "type": "status",
        "data": {"status": {"exec_info": {"queue_remaining": queue_remaining}}},
    }


class Guest:
    """One connection; number 1 is the first."""

    def __init__(self, number: int, request: web.Request, ws: web.WebSocketResponse) -> None:
        self.number = number
        self.request = request
        self.ws = ws
        self.client_id = request.query["clientId"]
        self.came_at = time.monotonic()
        self.forgotten = False

    async def stay(self) -> None:
        """Until the client leaves."""
        async for message in self.ws:
            if message.type == WSMsgType.ERROR:
                return

    def raw(self, data: bytes) -> None:
        """Bytes past the websocket's own framing."""
        assert self.request.transport is not None
        self.request.transport.write(data)


class WebsocketServer:
    """`script` runs for each connection; as in ComfyUI, clients are known by their id only:
    the newest connection of an id gets its messages, and the end of an older one forgets it.
    """

    def __init__(self, script: Script, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self.guests: list[Guest] = []
        self.known: dict[str, Guest] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner: web.AppRunner
        self.port = self._run(self._start(port, tls))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def broadcast(self, message: dict[str, Any]) -> None:
        """To every client that is known."""
        self._run(self._broadcast(message))

    def close(self) -> None:
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self, port: int, tls: ssl.SSLContext | None) -> int:
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        guest = Guest(len(self.guests) + 1, request, ws)
        self.guests.append(guest)
        self.known[guest.client_id] = guest
        try:
            await self._script(guest)
        except ConnectionError:
            pass
        finally:
            self.known.pop(guest.client_id, None)
            guest.forgotten = True
        return ws

    async def _broadcast(self, message: dict[str, Any]) -> None:
        for guest in list(self.known.values()):
            await guest.ws.send_json(message)


@contextmanager
def listening(
    script: Script, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[WebsocketServer]:
    with closing(WebsocketServer(script, port, tls)) as server:
        yield server
