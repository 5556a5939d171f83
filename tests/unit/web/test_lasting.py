"""What lasts ends with the token, in whichever task it is sent."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.web.ending import Endings, Message, Receive, Scope, Send
from reconciler.web.security import lasting
from reconciler.web.security.lasting import run_while_valid

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
LAST: Message = {"type": "http.response.body", "body": b"", "more_body": False}


async def nothing() -> Message:
    return await asyncio.Event().wait()  # type: ignore[return-value]


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends for ever."""
    await send(START)
    while True:
        await send(PART)
        await asyncio.sleep(0)


async def streams_in_a_task(scope: Scope, receive: Receive, send: Send) -> None:
    """The same as Starlette does it: another task hears whether the client is gone."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(streams(scope, receive, send))
        tasks.create_task(receive())


async def talks(scope: Scope, receive: Receive, send: Send) -> None:
    """A websocket."""
    await send({"type": "websocket.accept"})
    while True:
        await send({"type": "websocket.send", "text": "x"})
        await asyncio.sleep(0)


def sent_by(app, valid_times: int) -> list[Message]:  # type: ignore[no-untyped-def]
    """What a client hears whose token is valid so many times that it is asked for."""
    sent: list[Message] = []
    left = [True] * valid_times

    async def send(message: Message) -> None:
        sent.append(message)

    async def is_valid() -> bool:
        return bool(left) and left.pop()

    async def within_time() -> None:
        async with asyncio.timeout(10.0):
            await run_while_valid(app, {"type": "http"}, nothing, send, is_valid)

    asyncio.run(within_time())
    return sent


@pytest.mark.parametrize("app", [streams, streams_in_a_task])
def test_a_stream_is_ended_as_a_whole_answer(
    monkeypatch: pytest.MonkeyPatch,
    app,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(lasting, "FRESH_S", 0.0)
    assert sent_by(app, 3) == [START, PART, PART, PART, LAST]


def test_a_websocket_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting, "FRESH_S", 0.0)
    assert sent_by(talks, 0)[-1] == {"type": "websocket.close", "code": 1008}


def test_whoever_cancels_for_another_reason_is_obeyed() -> None:
    async def main() -> None:
        async def send(message: Message) -> None:
            pass

        async def is_valid() -> bool:
            return True

        request = run_while_valid(streams, {"type": "http"}, nothing, send, is_valid)
        task = asyncio.create_task(request)
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def test_a_stop_ends_what_has_begun_and_lets_the_rest_finish() -> None:
    async def main() -> list[Message]:
        sent: list[Message] = []
        go_on = asyncio.Event()

        async def send(message: Message) -> None:
            sent.append(message)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/stream":
                await streams_in_a_task(scope, receive, send)
            await go_on.wait()
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send(LAST)

        endings = Endings(app)
        tasks = [
            asyncio.create_task(endings({"type": "http", "path": path}, nothing, send))
            for path in ("/stream", "/short")
        ]
        while PART not in sent:
            await asyncio.sleep(0)
        endings.end()
        await tasks[0]
        assert sent[-1] == LAST and not tasks[1].done()
        go_on.set()
        await tasks[1]
        return sent

    assert asyncio.run(main())[-2]["status"] == 204
