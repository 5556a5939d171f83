"""The websocket side: who hears what, and how sockets fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web
from PIL import ImageOps

#: Binary events, and the first four bytes of a PREVIEW_IMAGE's payload. The second is sent as the
#: first, once its picture is encoded.
PREVIEW_IMAGE, UNENCODED_PREVIEW_IMAGE, PREVIEW_IMAGE_WITH_METADATA, JPEG = 1, 2, 4, 1
#: What a client says that takes the last of them.
TAKES_METADATA = "supports_preview_metadata"

#: How long a client may take to answer the goodbye.
CLOSE_TIMEOUT_S = 0.5


class Hub:
    """The sockets of one life of the simulated process.

    An event is sent to one client id or to everybody (None). Order is kept: everything passes
    through one queue, which the event loop empties.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._messages: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()
        self._sockets: dict[str, web.WebSocketResponse] = {}
        #: By client id: what it said it can take.
        self._features: dict[str, dict[str, Any]] = {}
        self._frozen: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()
        self._open = True

    def send(self, event: str | int, data: Any, client_id: str | None = None) -> None:
        """Queue an event, from any thread; nothing happens once the hub is closed.

        A number is a binary event's, and `data` its payload, or the picture to be sent.
        """
        if isinstance(event, int):
            message: str | bytes = _binary(event, data)
        else:
            message = json.dumps({"type": event, "data": data})
        if self._open:
            self._loop.call_soon_threadsafe(self._messages.put_nowait, (message, client_id))

    def takes_metadata(self, client_id: str | None) -> bool:
        """Whether this client wants to be told what a preview is of."""
        features = self._features.get(client_id or "", {})
        return features.get(TAKES_METADATA) is True

    def freeze(self) -> None:
        """Every socket that is open now stays open and never speaks again."""
        self._frozen.update(list(self._sockets.values()))

    def steal(self, client_id: str) -> None:
        """Take the socket of a client id away, as another connection with that id does."""
        self._sockets.pop(client_id, None)

    async def publish(self) -> None:
        """Send queued events until cancelled."""
        while True:
            message, client_id = await self._messages.get()
            for socket in self._hearers(client_id):
                # A peer that went away is noticed by its reading side.
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await _say(socket, message)

    async def serve(
        self, request: web.Request, greet: Callable[[str], list[dict[str, Any]]]
    ) -> web.WebSocketResponse:
        """One connection, from its greeting to its end.

        Connecting with an id that is in use takes that client's socket away. The clean-up of the
        older connection later removes whatever socket the id has by then, even a newer one:
        ComfyUI does so to this day, which leaves an open and silent socket.
        """
        socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        client_id = request.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[client_id] = socket
        try:
            for message in greet(client_id):
                await socket.send_json(message)
            await self._listen(socket, client_id)
        finally:
            self._sockets.pop(client_id, None)
            self._features.pop(client_id, None)
        return socket

    async def close(self) -> None:
        """Say goodbye to everybody."""
        await asyncio.gather(*(socket.close() for socket in list(self._sockets.values())))

    def cut(self) -> None:
        """Send nothing more, whoever asks for it."""
        self._open = False

    async def _listen(self, socket: web.WebSocketResponse, client_id: str) -> None:
        first = True
        async for message in socket:
            if message.type is WSMsgType.TEXT and first:
                first = False
                self._features[client_id] = await _negotiate(socket, message.data)

    def _hearers(self, client_id: str | None) -> list[web.WebSocketResponse]:
        if client_id is None:
            chosen = list(self._sockets.values())
        else:
            chosen = [self._sockets[client_id]] if client_id in self._sockets else []
        return [socket for socket in chosen if socket not in self._frozen]


async def _say(socket: web.WebSocketResponse, message: str | bytes) -> None:
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    else:
        await socket.send_str(message)


async def _negotiate(socket: web.WebSocketResponse, text: str) -> dict[str, Any]:
    """A client's first message may say what it can take, and ask what the server can do."""
    with contextlib.suppress(ValueError, AttributeError):
        asked = json.loads(text)
        if asked.get("type") == "feature_flags":
            features = {TAKES_METADATA: True, "max_upload_size": 104857600}
            await socket.send_json({"type": "feature_flags", "data": features})
            taken: dict[str, Any] = asked.get("data") or {}
            return taken
    return {}


def _binary(event: int, data: Any) -> bytes:
    """A binary message, as ComfyUI puts it together."""
    if event == UNENCODED_PREVIEW_IMAGE:
        return struct.pack(">II", PREVIEW_IMAGE, JPEG) + _encoded(data)
    if event == PREVIEW_IMAGE_WITH_METADATA:
        picture, metadata = data
        told = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
        return struct.pack(">II", event, len(told)) + told + _encoded(picture)
    return struct.pack(">I", event) + bytes(data)


def _encoded(picture: Any) -> bytes:
    """The picture as JPEG, no larger than its third part says."""
    _, image, longest_px = picture
    data = io.BytesIO()
    ImageOps.contain(image, (longest_px, longest_px)).save(data, "JPEG", quality=95)
    return data.getvalue()
