"""The websocket: the same messages, other filters while it lasts, and why it ends."""

from __future__ import annotations

import json
import socket as sockets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from reconciler.web.live import LiveReader
from tests.integration.web.serving import prepared, serving
from tests.integration.web.streaming import all_ids, listening, write_many, writers
from tests.waiting import wait_for


@pytest.fixture
def client(database: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(tmp_path, prepared(database)) as client:
        yield client


def socket_to(client: httpx.Client, query: str = "", **options: Any) -> ClientConnection:
    url = str(client.base_url).replace("http://", "ws://") + f"/api/v1/ws{query}"
    return connect(url, **options)


def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        told: dict[str, Any] = json.loads(socket.recv(timeout=20.0))
        if told["message"] == kind:
            return told


def events_up_to(socket: ClientConnection, last: int) -> list[dict[str, Any]]:
    heard = [next_of(socket, "event")]
    while heard[-1]["id"] != last:
        heard.append(next_of(socket, "event"))
    return heard


def test_it_tells_the_same_as_server_sent_events(client: httpx.Client, database: str) -> None:
    with socket_to(client) as socket, listening(client) as ear:
        assert next_of(socket, "hello")["id"] == 0
        ear.wait("hello")
        write_many(database, 50, seed=1)
        ids = all_ids(database)
        heard = events_up_to(socket, ids[-1])
        wait_for(lambda: ear.ids == ids, "the other one hears them")
        assert [(e["id"], e["data"]) for e in heard] == [(e.id, e.data) for e in ear.of("event")]


def test_it_resumes_and_filters_as_asked_in_the_query(client: httpx.Client, database: str) -> None:
    write_many(database, 50, seed=1)
    ids = all_ids(database)
    with socket_to(client, f"?last_event_id={ids[4]}") as socket:
        assert [e["id"] for e in events_up_to(socket, ids[-1])] == ids[5:]
    with socket_to(client, "?job=x&job=y") as socket, writers(database, 1) as (writer,):
        next_of(socket, "hello")
        for job in ("x", "z", "y"):
            writer.write(job)
        writer.commit()
        assert [next_of(socket, "event")["data"]["job_id"] for _ in range(2)] == ["x", "y"]


def test_a_client_may_ask_for_something_else(client: httpx.Client, database: str) -> None:
    write_many(database, 5, seed=1)
    ids = all_ids(database)
    with socket_to(client, "?job=none") as socket, writers(database, 1) as (writer,):
        next_of(socket, "hello")
        socket.send(json.dumps({"message": "subscribe", "last_event_id": ids[0]}))
        assert next_of(socket, "hello")["id"] == ids[0]
        assert [e["id"] for e in events_up_to(socket, ids[-1])] == ids[1:]
        socket.send(json.dumps({"message": "subscribe", "job": ["a"]}))
        next_of(socket, "hello")
        writer.write("b")
        told = writer.write("a")
        writer.commit()
        assert next_of(socket, "event")["id"] == told


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("no json", 1008, "JSON"),
        ('{"message": "dance"}', 1008, "subscribe"),
        ('{"message": "subscribe", "status": ["odd"]}', 1008, "status.0"),
        ('{"message": "subscribe", "job": "1"}', 1008, "job"),
        ('{"message": "subscribe", "more": 1}', 1008, "more"),
        (b"\x00", 1003, "text"),
    ],
)
def test_what_makes_no_sense_ends_it_with_the_reason(
    client: httpx.Client, said: str | bytes, code: int, words: str
) -> None:
    with socket_to(client) as socket:
        next_of(socket, "hello")
        socket.send(said)
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=20.0)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == code and words in closed.value.rcvd.reason


def test_a_page_from_elsewhere_is_refused(client: httpx.Client) -> None:
    for origin in ("https://evil.example", "null"):
        options = {"additional_headers": {"Origin": origin}}
        with pytest.raises(InvalidStatus) as refused, socket_to(client, **options):
            pass
        assert refused.value.response.status_code == 403


def test_a_query_that_makes_no_sense_is_refused_with_the_reason(client: httpx.Client) -> None:
    with pytest.raises(InvalidStatus) as refused, socket_to(client, "?status=odd"):
        pass
    assert refused.value.response.status_code == 422
    assert b"query status.0" in (refused.value.response.body or b"")


def test_no_more_than_are_let_in(database: str, tmp_path: Path) -> None:
    with (
        serving(tmp_path, prepared(database), stream_readers=1) as client,
        socket_to(client) as socket,
    ):
        next_of(socket, "hello")
        with pytest.raises(InvalidStatus) as refused, socket_to(client):
            pass
        assert refused.value.response.status_code == 503
        assert b"web.stream_readers" in (refused.value.response.body or b"")


def test_a_defect_ends_it_with_a_word(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reader: LiveReader) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(LiveReader, "batches", fail)
    with socket_to(client) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=5.0)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011


def test_it_is_told_when_the_server_stops(database: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with serving(tmp_path, prepared(database)) as client:
            socket = stack.enter_context(socket_to(client))
            next_of(socket, "hello")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                socket.recv(timeout=20.0)
    assert closed.value.rcvd is not None and closed.value.rcvd.code in (1001, 1012)


def test_a_slow_client_is_dropped(client: httpx.Client, database: str) -> None:
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect((client.base_url.host, client.base_url.port))
    with (
        socket_to(client, sock=narrow, max_queue=1, compression=None) as slow,
        listening(client) as ear,
    ):
        next_of(slow, "hello")
        ear.wait("hello")
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            for part in range(1, 13):
                cursor.execute(
                    "insert into reconciler.events (job_id, attempt, kind, reason)"
                    " select '1', 1, 'note', %s from generate_series(1, 300)",
                    ("a" * 8000,),
                )
                cursor.execute("notify reconciler, 'event'")
                connection.commit()
                wait_for(lambda part=part: len(ear.ids) == 300 * part, "the fast one hears all")
        connection.close()
        with pytest.raises(ConnectionClosed):
            while True:
                slow.recv(timeout=20.0)
