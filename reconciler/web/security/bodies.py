"""Bodies of requests: read before anybody looks at them, never more than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qs

from reconciler.web.ending import Message, Receive

#: A body has to arrive within so many seconds.
BODY_S = 30.0
_FORM = "application/x-www-form-urlencoded"
#: A form has no more fields.
_MOST_FIELDS = 2000


class TooLarge(Exception):
    """There is more of it than is allowed."""


class TooSlow(Exception):
    """It did not arrive in time."""


class Gone(Exception):
    """Whoever sent it is gone."""


def has_body(headers: Mapping[str, str]) -> bool:
    """True where one follows."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def read_body(receive: Receive, headers: Mapping[str, str], limit_bytes: int) -> bytes:
    """All of it. Raises TooLarge, as soon as that is known, TooSlow and Gone."""
    told = headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit_bytes:
        raise TooLarge
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(receive, limit_bytes)
    except TimeoutError:
        raise TooSlow from None


async def _read(receive: Receive, limit_bytes: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > limit_bytes:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives this body once, and then what else is heard."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def form_field(headers: Mapping[str, str], body: bytes, name: str) -> str | None:
    """A field of a form as pages send it."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return None
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return fields.get(name, [None])[0]
