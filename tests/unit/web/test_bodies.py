"""Bodies of requests, whole or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import pytest

from reconciler.web.ending import Message, Receive
from reconciler.web.security import bodies
from reconciler.web.security.bodies import (
    Gone,
    TooLarge,
    TooSlow,
    form_field,
    has_body,
    read_body,
    replayed,
)

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def receiving(messages: Iterable[Message]) -> tuple[Receive, list[Message]]:
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0) if left else await asyncio.Event().wait()  # type: ignore[return-value]

    return receive, left


def parts(*sent: bytes) -> list[Message]:
    return [
        {"type": "http.request", "body": body, "more_body": n < len(sent)}
        for n, body in enumerate(sent, start=1)
    ]


def read(messages: Iterable[Message], headers: Mapping[str, str], limit_bytes: int = 10) -> bytes:
    receive, _ = receiving(messages)
    return asyncio.run(read_body(receive, headers, limit_bytes))


def test_a_body_arrives_in_parts() -> None:
    assert read(parts(b"12345", b"", b"67890"), {}) == b"1234567890"


def test_too_much_is_refused_before_it_is_there_and_where_it_was_not_told() -> None:
    with pytest.raises(TooLarge):
        read([], {"content-length": "11"})
    with pytest.raises(TooLarge):
        read(parts(b"12345", b"67890", b"1", b"never read"), {"transfer-encoding": "chunked"})


def test_who_is_slow_or_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.01)
    with pytest.raises(TooSlow):
        read([{"type": "http.request", "body": b"1", "more_body": True}], {})
    with pytest.raises(Gone):
        read([{"type": "http.disconnect"}], {})


def test_the_application_gets_it_once_and_then_hears_what_comes() -> None:
    receive, _ = receiving([{"type": "http.disconnect"}])
    again = replayed(b"abc", receive)

    async def both() -> list[Message]:
        return [await again(), await again()]

    first, second = asyncio.run(both())
    assert first == {"type": "http.request", "body": b"abc", "more_body": False}
    assert second == {"type": "http.disconnect"}


def test_whether_there_is_one() -> None:
    assert has_body({"content-length": "3"}) and has_body({"transfer-encoding": "chunked"})
    assert not has_body({"content-length": "0"}) and not has_body({})


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (FORM, b"a=1&csrf_token=x%2Ey&csrf_token=z", "x.y"),
        (FORM, b"a=1", None),
        (FORM, b"\xff\xfe", None),
        (FORM, b"&a=1" * 3000, None),
        ({"content-type": "application/json"}, b"csrf_token=x", None),
        ({}, b"csrf_token=x", None),
    ],
)
def test_a_field_of_a_form(headers: Mapping[str, str], body: bytes, expected: str | None) -> None:
    assert form_field(headers, body, "csrf_token") == expected
