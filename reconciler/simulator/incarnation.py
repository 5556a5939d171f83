"""A life of the simulated process and the port it listens on."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from reconciler.simulator.http import build_app
from reconciler.simulator.life import Life

#: Turns of the event loop from the acceptance of a connection to its being known to the server.
ACCEPT_TURNS = 3


class Incarnation:
    """A life and the port it listens on."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._runner = web.AppRunner(build_app(life), access_log=None, shutdown_timeout=0.5)
        self._publisher: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and let the worker begin; returns the port."""
        try:
            await self._runner.setup()
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
            await web.SockSite(self._runner, self._socket).start()
        except BaseException:
            await self._runner.cleanup()
            await asyncio.to_thread(self.life.end)
            raise
        self._publisher = asyncio.create_task(self.life.server.hub.publish())
        self.life.start()
        return int(self._runner.addresses[0][1])

    async def close(self, *, cut: bool) -> None:
        """Stop listening and end the life; `cut` breaks the connections off, as SIGKILL does."""
        self.life.fall_silent()
        await self._accept_no_more()
        for site in list(self._runner.sites):
            await site.stop()
        if cut:
            self._abort_connections()
        await asyncio.to_thread(self.life.end)
        if not cut:
            await self.life.server.hub.close()
        if self._publisher is not None:
            self._publisher.cancel()
        await self._runner.cleanup()

    async def _accept_no_more(self) -> None:
        """asyncio forgets to close a connection that is being accepted when its server closes."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            for _ in range(ACCEPT_TURNS):
                await asyncio.sleep(0)

    def _abort_connections(self) -> None:
        server = self._runner.server
        for connection in [] if server is None else server.connections:
            if connection.transport is not None:
                connection.transport.abort()
