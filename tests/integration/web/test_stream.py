"""Server-sent events over a real connection: in order, resumed, filtered, bounded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg2
import pytest
from structlog.testing import capture_logs

from tests.integration.conftest import execute
from tests.integration.web.serving import prepared, serving
from tests.integration.web.streaming import Ear, all_ids, listening, write_many, writers
from tests.waiting import wait_for


@pytest.fixture
def client(database: str, tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(tmp_path, prepared(database)) as client:
        yield client


def test_an_event_waits_for_an_earlier_one_that_is_not_committed_yet(
    client: httpx.Client, database: str
) -> None:
    with listening(client) as ear, writers(database, 3) as (slow, fast, aborted):
        (hello,) = ear.wait("hello")
        assert hello.id == 0
        first = aborted.write()
        second, third = slow.write(), fast.write()
        fast.commit()
        aborted.roll_back()
        fourth = fast.write()
        fast.commit()
        slow_reader_would_have_heard = threading.Event()
        assert not slow_reader_would_have_heard.wait(0.5)
        assert ear.ids == [], "third and fourth are there, and second may still come"
        slow.commit()
        ear.wait("event", 3)
        assert ear.ids == [second, third, fourth] and first not in ear.ids


def test_a_transaction_that_keeps_it_from_beginning_is_told_in_the_log(
    client: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.notify.feed.HELD_TOO_LONG_S", 0.0)
    with writers(database, 1) as (slow,), capture_logs() as logs:
        slow.write()
        with listening(client) as ear:
            wait_for(lambda: any("held back" in each["event"] for each in logs), "it is told")
            slow.commit()
            ear.wait("hello")


def test_what_was_rolled_back_holds_up_nothing(client: httpx.Client, database: str) -> None:
    with listening(client) as ear, writers(database, 2) as (one, other):
        ear.wait("hello")
        for _ in range(3):
            one.write()
        one.roll_back()
        told = other.write(reason="<b>told</b>\nover two lines")
        other.commit()
        (event,) = ear.wait("event")
        assert event.id == told == 4 and event.data["reason"] == "<b>told</b>\nover two lines"


def test_resumed_again_and_again_under_concurrent_writers_it_hears_each_event_once(
    client: httpx.Client, database: str
) -> None:
    each = 250
    threads = [threading.Thread(target=write_many, args=(database, each, n)) for n in range(4)]
    for thread in threads:
        thread.start()
    heard: list[int] = []
    with listening(client) as through:
        through.wait("hello")
        last = 0
        while any(thread.is_alive() for thread in threads) or last < all_ids(database)[-1]:
            with listening(client, after=last) as ear:
                wait_for(lambda ear=ear, last=last: ear.ids or last == all_ids(database)[-1], "")
            heard += ear.ids
            last = heard[-1]
        ids = all_ids(database)
        wait_for(lambda: through.ids and through.ids[-1] == ids[-1], "the other hears the last")
    assert len(ids) >= 4 * each and heard == ids
    assert through.ids == [i for i in ids if i > (through.of("hello")[0].id or 0)]


def test_who_comes_back_after_long_gets_what_is_older_from_the_table(
    client: httpx.Client, database: str
) -> None:
    execute(
        database,
        "insert into reconciler.events (job_id, attempt, kind, reason)"
        " select n % 9, 1, 'note', 'told' from generate_series(1, 2500) n",
    )
    ids = all_ids(database)
    with listening(client, after=ids[0]) as ear:
        wait_for(lambda: ear.ids[-1:] == ids[-1:], "the last one comes")
        assert ear.ids == ids[1:]
    with listening(client, params={"last_event_id": ids[-11], "job": ["1", "2"]}) as ear:
        write_many(database, 60, seed=2)
        expected = [row for row in _jobs_of(database) if row[0] > ids[-11] and row[1] in ("1", "2")]
        wait_for(lambda: ear.ids[-1:] == [expected[-1][0]], "the last of theirs")
        assert [(e.id, e.data["job_id"]) for e in ear.of("event")] == expected


def _jobs_of(url: str) -> list[tuple[int, str]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select id, job_id from reconciler.events order by id")
        return cursor.fetchall()


@pytest.mark.parametrize("after", ["999999", "none of ours", "-5"])
def test_an_id_that_nobody_knows_is_answered_by_a_resync(
    client: httpx.Client, database: str, after: str
) -> None:
    write_many(database, 5, seed=1)
    newest = all_ids(database)[-1]
    with listening(client, after=after) as ear:  # type: ignore[arg-type]
        (resync,) = ear.wait("resync")
        assert resync.id == newest and "another database" in resync.data["reason"]
        write_many(database, 1, seed=2)
        ear.wait("event")
        assert ear.ids[0] > newest


def test_what_retention_has_deleted_is_not_passed_over_in_silence(
    client: httpx.Client, database: str
) -> None:
    write_many(database, 20, seed=1)
    ids = all_ids(database)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("select set_config('reconciler_retention.deletes', 'on', true)")
        cursor.execute("delete from reconciler.events where id <= %s", (ids[9],))
    connection.close()
    with listening(client, after=ids[3]) as ear:
        (resync,) = ear.wait("resync")
        assert "deleted" in resync.data["reason"] and ear.ids == []


def test_filters(client: httpx.Client, database: str) -> None:
    execute(
        database,
        "insert into reconciler.job_state (job_id, known_status, server, job_type)"
        " values ('a', 'processing', 'gpu1', 'video'), ('b', 'processing', 'gpu2', 'image')",
    )
    asked = [
        {"job": ["a", "z"]},
        {"status": "completed"},
        {"server": "gpu2"},
        {"type": "image"},
        {"server": "gpu1", "status": ["failed"]},
    ]
    expected = [["a1", "a2"], ["a2"], ["b1"], ["b1"], []]
    with ExitStack() as stack, writers(database, 1) as (writer,):
        ears: list[Ear] = [stack.enter_context(listening(client, params)) for params in asked]
        everything = stack.enter_context(listening(client))
        for ear in (*ears, everything):
            ear.wait("hello")
        writer.write("a", "processing", "a1")
        writer.write("b", None, "b1")
        writer.write("a", "completed", "a2")
        writer.commit()
        everything.wait("event", 3)
        for ear, reasons in zip(ears, expected, strict=True):
            wait_for(
                lambda ear=ear, reasons=reasons: (
                    [e.data["reason"] for e in ear.of("event")] == reasons
                ),
                f"{reasons}",
            )


def test_wrong_filters_are_refused_in_words(client: httpx.Client) -> None:
    for wrong in ({"status": "nonsense"}, {"last_event_id": "x"}, {"last_event_id": -1}):
        answer = client.get("/api/v1/stream", params=wrong)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
    assert client.get("/api/v1/stream", params={"job": "x" * 300}).status_code == 422
    assert client.get("/api/v1/stream", params={"job": ["x"] * 300}).status_code == 422


def test_progress_is_told_as_it_changes_and_only_the_last_counts(
    client: httpx.Client, database: str
) -> None:
    execute(
        database,
        "insert into reconciler.job_state (job_id, known_status, server, progress, changed_at)"
        " values ('a', 'processing', 'gpu1', 10, clock_timestamp())",
    )
    with listening(client, {"job": "a"}) as ear:
        ear.wait("hello")
        execute(
            database,
            "update reconciler.job_state set progress = 40, eta_s = 12.5,"
            " changed_at = clock_timestamp()",
        )
        wait_for(
            lambda: [m.data["progress"] for m in ear.of("progress")][-1:] == [40], "it is told"
        )
        told = ear.of("progress")[-1]
        assert told.id is None and told.data["eta_s"] == 12.5 and told.data["server"] == "gpu1"
        number = len(ear.of("progress"))
        execute(database, "update reconciler.job_state set changed_at = clock_timestamp()")
        execute(database, "update reconciler.job_state set progress = 41")
        with writers(database, 1) as (writer,):
            writer.write("a")
            writer.commit()
        ear.wait("event")
        wait_for(lambda: len(ear.of("progress")) == number + 1, "41 alone is news")


def test_a_server_that_stops_answering_is_told(client: httpx.Client, database: str) -> None:
    execute(database, "insert into reconciler.servers (name, url) values ('gpu1', 'http://x')")
    with listening(client, {"job": "none"}) as ear:
        (first,) = ear.wait("servers")
        assert first.data["servers"][0]["answers"] is True
        execute(
            database,
            "update reconciler.servers set unreachable_since = now(), unreachable_how = 'refused'",
        )
        told = ear.wait("servers", 2)[-1].data["servers"]
        assert (told[0]["answers"], told[0]["unreachable_how"]) == (False, "refused")


def test_a_slow_reader_is_dropped_and_a_fast_one_hears_everything(
    client: httpx.Client, database: str
) -> None:
    url = urlsplit(str(client.base_url))
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect((url.hostname, url.port))
    slow.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"200 OK" in slow.recv(1000)
    with listening(client) as ear, slow:
        ear.wait("hello")
        long = "a" * 8000
        with psycopg2.connect(database) as connection, connection.cursor() as cursor:
            for _ in range(10):
                cursor.execute(
                    "insert into reconciler.events (job_id, attempt, kind, reason)"
                    " select '1', 1, 'note', %s from generate_series(1, 300)",
                    (long,),
                )
                cursor.execute("notify reconciler, 'event'")
                connection.commit()
                number = len(all_ids(database))
                wait_for(lambda number=number: len(ear.ids) == number, "the fast one hears all")
        connection.close()
        assert ear.ids == all_ids(database)
        slow.settimeout(20.0)
        with pytest.raises((ConnectionResetError, EOFError)):
            while True:
                if not slow.recv(65536):
                    raise EOFError
        wait_for(lambda: _readers(client) == 1, "its place is free again")


def _readers(client: httpx.Client) -> int:
    """Readers of the one server of this process that has this port."""
    import gc

    from reconciler.notify.feed import Feed

    return max((each.readers for each in gc.get_objects() if isinstance(each, Feed)), default=0)


def test_no_more_readers_than_are_let_in(database: str, tmp_path: Path) -> None:
    with serving(tmp_path, prepared(database), stream_readers=1) as client:
        with listening(client) as ear:
            ear.wait("hello")
            refused = client.get("/api/v1/stream")
            assert refused.status_code == 503 and "Retry-After" in refused.headers
            assert "web.stream_readers" in refused.json()["detail"]
        wait_for(lambda: _is_let_in(client), "the place is free again")


def _is_let_in(client: httpx.Client) -> bool:
    with client.stream("GET", "/api/v1/stream") as answer:
        return answer.status_code == 200


def test_a_sign_of_life_tells_where_to_resume(
    client: httpx.Client, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.web.live.HEARTBEAT_S", 0.1)
    with listening(client, {"job": "another"}) as ear:
        ear.wait("hello")
        write_many(database, 3, seed=1)
        last = all_ids(database)[-1]
        wait_for(lambda: ear.signs_of_life[-1:] == [last], "up to there nothing was missed")
        assert ear.ids == []
