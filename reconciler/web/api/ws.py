"""What happens, as it happens, on a websocket: the messages of the stream as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from functools import lru_cache
from typing import Annotated, Literal

import structlog
from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.status import (
    WS_1003_UNSUPPORTED_DATA,
    WS_1008_POLICY_VIOLATION,
    WS_1011_INTERNAL_ERROR,
    WS_1013_TRY_AGAIN_LATER,
)
from starlette.websockets import WebSocketDisconnect

from reconciler.core.jobs import Status
from reconciler.notify.messages import Filters, Message
from reconciler.web.aborting import abort_in
from reconciler.web.api.stream import MAX_ID, MOST_NAMED, Asked, LastEventId, let_in
from reconciler.web.context import Context
from reconciler.web.live import Batch, Live, LiveReader
from reconciler.web.security.access import Reader

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["stream"])

Named = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MOST_NAMED)]
#: Why a connection is closed, in no more bytes.
MOST_WORDS = 123


class Subscribe(BaseModel):
    """What a client asks for on the socket, in place of what it asked for before."""

    model_config = ConfigDict(extra="forbid")

    message: Literal["subscribe"]
    job: Named = []
    status: Annotated[list[Status], Field(max_length=MOST_NAMED)] = []
    server: Named = []
    type: Named = []
    #: Everything after this event; without it, what is yet to come.
    last_event_id: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None

    @property
    def filters(self) -> Filters:
        """What it asks for."""
        job, status, server, type_ = self.job, self.status, self.server, self.type
        return Filters(frozenset(job), frozenset(status), frozenset(server), frozenset(type_))


class Refused(Exception):
    """The client said something that makes no sense."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@router.websocket("/ws")
async def websocket(
    *,
    socket: WebSocket,
    context: Context,
    caller: Reader,
    filters: Asked,
    last_event_id: LastEventId = None,
) -> None:
    """The messages of the stream, each `{"message": kind, "id": ..., "data": {...}}`. To ask for
    something else, a client sends `{"message": "subscribe", "job": [...], "last_event_id": 7}`."""
    let_in(context)
    await socket.accept()
    talk = Talk(socket, context.live)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it has gone
        await talk.listen(filters, last_event_id)


class Talk:
    """One client: it is told what happens, while it is listened to."""

    def __init__(self, socket: WebSocket, live: Live) -> None:
        self._socket = socket
        self._live = live

    async def listen(self, filters: Filters, after: int | None) -> None:
        """Tells, and listens to what is asked for instead; until the client goes."""
        telling = asyncio.create_task(self._tell(filters, after))
        try:
            while True:
                asked = await self._next()
                await _end(telling)
                telling = asyncio.create_task(self._tell(asked.filters, asked.last_event_id))
        except Refused as refused:
            await _end(telling)
            await self._close(refused.code, str(refused))
        finally:
            await _end(telling)

    async def _tell(self, filters: Filters, after: int | None) -> None:
        """Ends with the socket, whatever happens: one that is open and silent would be believed."""
        try:
            await self._tell_batches(filters, after)
        except Exception:
            log.exception("a defect: please report it")
            await self._close(WS_1011_INTERNAL_ERROR, "a defect: come back with the last id")
        else:
            await self._close(WS_1013_TRY_AGAIN_LATER, "come back with the last id")

    async def _tell_batches(self, filters: Filters, after: int | None) -> None:
        with LiveReader(self._live, filters, after, abort_in(self._socket.scope)) as reader:
            async for batch in reader.batches():
                for text in map(_text, batch.messages) if batch.messages else [_ping(batch)]:
                    try:
                        await self._socket.send_text(text)
                    except (WebSocketDisconnect, RuntimeError):  # it has gone
                        return

    async def _next(self) -> Subscribe:
        """What the client asks for next. Raises Refused, WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        if (text := message.get("text")) is None:
            raise Refused(WS_1003_UNSUPPORTED_DATA, "only text is understood")
        try:
            return Subscribe.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "message"
            raise Refused(WS_1008_POLICY_VIOLATION, f"{where}: {first['msg']}") from error

    async def _close(self, code: int, words: str) -> None:
        cut = words.encode()[:MOST_WORDS].decode(errors="ignore")
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, cut)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@lru_cache(maxsize=2048)
def _text(message: Message) -> str:
    """The same text for all clients."""
    return f'{{"message":"{message.kind}","id":{json.dumps(message.id)},"data":{message.text}}}'


def _ping(batch: Batch) -> str:
    """A sign of life, and up to where everything was told."""
    return json.dumps({"message": "ping", "id": batch.upto, "data": {}}, separators=(",", ":"))
