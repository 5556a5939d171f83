"""What happens, as it happens, by server-sent events: `curl -N .../api/v1/stream`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reconciler.core.jobs import Status
from reconciler.notify.messages import Filters, Message
from reconciler.web.aborting import abort_in
from reconciler.web.context import Context
from reconciler.web.live import Batch, LiveReader
from reconciler.web.security.access import Reader

router = APIRouter(prefix="/api/v1", tags=["stream"])

#: How soon a reader whose connection ended comes back, in milliseconds.
RETRY_MS = 2000
#: What one reader may name, at most.
MOST_NAMED = 200
#: Postgres has no greater id.
MAX_ID = 2**63 - 1

#: Headers with which no proxy holds back what is told at once.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Name = Annotated[str, Query(max_length=200)]
Named = Annotated[list[Name], Query(max_length=MOST_NAMED)]
LastEventId = Annotated[
    int | None,
    Query(ge=0, le=MAX_ID, description="Everything after this event; else what is yet to come."),
]


def filters_of(
    *,
    job: Annotated[Named, Query(description="Only of these jobs.")] = [],  # noqa: B006 - copied
    status: Annotated[
        list[Status],
        Query(max_length=MOST_NAMED, description="Only events that lead to these statuses."),
    ] = [],  # noqa: B006
    server: Annotated[Named, Query(description="Only of jobs on these servers.")] = [],  # noqa: B006
    type: Annotated[Named, Query(description="Only of jobs of these types.")] = [],  # noqa: B006
) -> Filters:
    """What a reader asks for; each may be given several times."""
    return Filters(frozenset(job), frozenset(status), frozenset(server), frozenset(type))


#: As the type of an endpoint's argument.
Asked = Annotated[Filters, Depends(filters_of)]


class EventStream(EventSourceResponse):
    """The answer to one reader."""

    def __init__(self, reader: LiveReader) -> None:
        super().__init__(_frames(reader), headers=HEADERS)
        self._reader = reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._reader:
            await super().__call__(scope, receive, send)


@router.get(
    "/stream",
    response_class=Response,
    responses={
        200: {
            "description": "Messages, without end.",
            "content": {EventSourceResponse.media_type: {}},
        },
        503: {"description": "There are as many readers as are let in."},
    },
)
async def stream(
    *,
    request: Request,
    context: Context,
    caller: Reader,
    filters: Asked,
    last_event_id: LastEventId = None,
    resumed: Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)] = None,
) -> EventSourceResponse:
    """Messages without end. Those of the kind `event` have ids, in order and without a gap: whoever
    comes back with the last one, in the header or as `last_event_id`, misses none and hears none
    twice. `progress` tells how far an open job is, and only the last one counts."""
    let_in(context)
    after = last_event_id if resumed is None else _id_of(resumed)
    return EventStream(LiveReader(context.live, filters, after, abort_in(request.scope)))


def let_in(context: Context) -> None:
    """Raises HTTPException where there are as many readers as may be."""
    if context.live.is_full:
        words = (
            "As many readers as are let in hear the stream (web.stream_readers): try again later."
        )
        raise HTTPException(503, words, {"Retry-After": "30"})


def _id_of(text: str) -> int:
    """A browser sends back what it heard. What is no id of ours is one that nobody knows."""
    return min(int(text), MAX_ID) if text.isascii() and text.isdecimal() else MAX_ID


async def _frames(reader: LiveReader) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RETRY_MS)
    async for batch in reader.batches():
        yield b"".join(map(_frame, batch.messages)) if batch.messages else _sign_of_life(batch)


@lru_cache(maxsize=2048)
def _frame(message: Message) -> bytes:
    """The same bytes for all readers."""
    return format_sse_event(data_str=message.text, event=message.kind, id=_text(message.id))


def _sign_of_life(batch: Batch) -> bytes:
    """A comment, and up to where everything was told: nothing else may have been asked for."""
    return format_sse_event(comment="still here", id=_text(batch.upto))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
