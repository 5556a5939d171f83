"""A life of the simulated process and the port it listens on."""

from __future__ import annotations

import asyncio

from aiohttp import web

from reconciler.simulator.http import build_app
from reconciler.simulator.life import Life


class Incarnation:
    """A life and the port it listens on."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self._runner = web.AppRunner(build_app(life), access_log=None, shutdown_timeout=0.5)
        self._publisher: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen, and let the worker begin; returns the port."""
        try:
            await self._runner.setup()
            await web.TCPSite(self._runner, host, port).start()
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

    def _abort_connections(self) -> None:
        server = self._runner.server
        for connection in [] if server is None else server.connections:
            if connection.transport is not None:
                connection.transport.abort()
