"""A reader of the stream in a thread, and writers that commit when they like."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg2
from httpx._types import QueryParamTypes

from tests.waiting import wait_for

_INSERT = """
    insert into reconciler.events (job_id, attempt, kind, to_status, reason)
    values (%s, 1, 'status', %s, %s) returning id
"""


@dataclass(frozen=True)
class Heard:
    """One message."""

    kind: str
    id: int | None
    data: dict[str, Any]


@dataclass
class Ear:
    """What a reader heard, as it hears it."""

    heard: list[Heard] = field(default_factory=list)
    signs_of_life: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def of(self, kind: str) -> list[Heard]:
        """The messages of a kind."""
        return [each for each in list(self.heard) if each.kind == kind]

    @property
    def ids(self) -> list[int]:
        """Of the events, in the order in which they came."""
        return [each.id or 0 for each in self.of("event")]

    def wait(self, kind: str, number: int = 1) -> list[Heard]:
        """Waits for so many of a kind."""
        wait_for(lambda: len(self.of(kind)) >= number, f"{number} {kind}: {self.heard[-3:]}")
        return self.of(kind)

    def read(self, lines: Iterator[str]) -> None:
        """Understands server-sent events, as their specification has them."""
        fields: dict[str, str] = {}
        for line in lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                told_id = int(fields["id"]) if "id" in fields else None
                self.heard.append(Heard(fields["event"], told_id, json.loads(fields["data"])))
            elif "id" in fields:
                self.signs_of_life.append(int(fields["id"]))
            fields = {}


@contextmanager
def listening(
    client: httpx.Client, params: QueryParamTypes = None, after: int | None = None
) -> Iterator[Ear]:
    """A reader of the stream, after its greeting."""
    ear = Ear()
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    own = httpx.Client(base_url=client.base_url, timeout=60.0)
    # In here, not in the thread: whoever leaves ends the connection by closing it.
    request = own.build_request("GET", "/api/v1/stream", params=params, headers=headers)
    response = own.send(request, stream=True)
    assert response.status_code == 200, response.read()

    def hear() -> None:
        try:
            ear.read(response.iter_lines())
        except (httpx.HTTPError, httpx.StreamError, OSError):
            pass
        finally:
            ear.over.set()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    try:
        yield ear
    finally:
        network = response.extensions["network_stream"].get_extra_info("socket")
        network.shutdown(2)
        thread.join(10.0)
        own.close()


class Writer:
    """A connection that writes events, and ends its transactions when it is told to."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)

    def write(self, job_id: str = "1", status: str | None = None, reason: str = "told") -> int:
        """Writes an event in the transaction under way; returns its id."""
        with self._connection.cursor() as cursor:
            cursor.execute(_INSERT, (job_id, status, reason))
            (event_id,) = cursor.fetchone() or (0,)
            return int(event_id)

    def commit(self) -> None:
        """What was written is there, and those who listen are told."""
        self._connection.commit()
        with self._connection.cursor() as cursor:
            cursor.execute("notify reconciler, 'event'")
        self._connection.commit()

    def roll_back(self) -> None:
        """It never was."""
        self._connection.rollback()

    def close(self) -> None:
        """Ends it."""
        self._connection.close()


@contextmanager
def writers(url: str, number: int) -> Iterator[Sequence[Writer]]:
    """So many, closed at the end."""
    made = [Writer(url) for _ in range(number)]
    try:
        yield made
    finally:
        for writer in made:
            writer.close()


def write_many(url: str, number: int, seed: int) -> None:
    """Transactions of a few events each, of which some take their time and some are rolled back."""
    import random

    chance = random.Random(seed)
    written = 0
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        while written < number:
            size = chance.randint(1, 5)
            for _ in range(size):
                cursor.execute(_INSERT, (str(chance.randint(1, 9)), None, f"of {seed}"))
            if chance.random() < 0.3:
                cursor.execute("select pg_sleep(%s)", (chance.random() / 50,))
            if chance.random() < 0.2:
                connection.rollback()
                continue
            connection.commit()
            written += size
            cursor.execute("notify reconciler, 'event'")
            connection.commit()


def all_ids(url: str) -> list[int]:
    """The ids of the events that there are, in order."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select id from reconciler.events order by id")
        return [event_id for (event_id,) in cursor.fetchall()]
