"""The tokens that are valid now, read from the database every few seconds."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import structlog
from anyio import CapacityLimiter, to_thread

from reconciler.errors import DatabaseError
from reconciler.store.tokens import TokenRecord, TokenStore
from reconciler.web.database import Stores

log = structlog.get_logger(__name__)

#: A token that is revoked is so after this time at most, in seconds. A new one is known at once.
FRESH_S = 2.0
#: How often the use of a token is noted, in seconds.
NOTED_S = 3600.0


class Keyring:
    """Belongs to the loop: not thread-safe."""

    def __init__(self, stores: Stores, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._clock = clock
        self._tokens: dict[bytes, TokenRecord] | None = None
        #: When they were asked for last, and when read.
        self._asked_s = -math.inf
        self._read_s = 0.0
        self._noted: dict[str, float] = {}
        self._reading = asyncio.Lock()
        self._limiter = CapacityLimiter(1)

    async def find(self, digest: bytes) -> TokenRecord | None:
        """The valid token with this digest.

        While the database is away those that were known last are valid. Raises DatabaseError where
        none were ever read.
        """
        asked_s = self._clock()
        if self._tokens is None or not self._reading.locked():
            await self._read_since(asked_s - FRESH_S)
        if digest not in (self._tokens or {}):  # it may be new
            await self._read_since(asked_s)
        found = (self._tokens or {}).get(digest)
        if found is None or not found.is_valid(found.read_at + self._clock() - self._read_s):
            return None
        await self._note(found)
        return found

    async def _read_since(self, since_s: float) -> None:
        """Reads them unless that began after `since_s`: who waits for the same waits once."""
        async with self._reading:
            if self._asked_s < since_s:
                await self._read()

    async def _read(self) -> None:
        self._asked_s = self._clock()
        try:
            records = await to_thread.run_sync(self._all, limiter=self._limiter)
        except DatabaseError:
            if self._tokens is None:
                self._asked_s = -math.inf
                raise
            return
        self._read_s = self._clock()
        self._tokens = {record.digest: record for record in records}

    async def _note(self, token: TokenRecord) -> None:
        now_s = self._clock()
        if now_s - self._noted.get(token.name, -NOTED_S) < NOTED_S:
            return
        self._noted[token.name] = now_s
        try:
            await to_thread.run_sync(self._note_used, token.name, limiter=self._limiter)
        except DatabaseError as error:  # a role that only reads, mostly
            log.debug("use of a token not noted", token=token.name, reason=str(error))

    def _all(self) -> list[TokenRecord]:
        with self._stores.one() as store:
            return TokenStore(store.connection).all()

    def _note_used(self, name: str) -> None:
        with self._stores.one() as store:
            TokenStore(store.connection).note_used(name)
