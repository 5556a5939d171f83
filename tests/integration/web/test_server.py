"""The web server: health, ports, streams at its end, and whatever fails in it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.errors import SettingsError
from reconciler.web import app as app_module
from reconciler.web import listening
from reconciler.web.server import WebServer
from tests.integration.conftest import execute
from tests.integration.web.serving import (
    START_S,
    prepared,
    serving,
    token_of,
    web_settings,
)
from tests.waiting import wait_for


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_it_lives_and_is_ready(database: str, tmp_path: Path) -> None:
    with serving(tmp_path, prepared(database)) as client:
        assert client.get("/livez").text == "ok\n"
        ready = client.get("/readyz?verbose")
        assert ready.status_code == 200 and "[+] database: answers" in ready.text


def test_a_port_that_is_taken_is_no_obstacle(database: str, tmp_path: Path, taken: int) -> None:
    with serving(tmp_path, database, port=taken) as client:
        assert taken < (client.base_url.port or 0) < taken + listening.PORTS
        assert client.get("/livez").status_code == 200


def test_connections_leave_the_low_descriptors_to_others(database: str, tmp_path: Path) -> None:
    with closing(listening.listen("127.0.0.1", 0)) as socket_, socket.socket() as client:
        client.connect(socket_.getsockname())
        accepted = wait_for(lambda: _accept(socket_), "the connection")
        with closing(accepted):
            assert accepted.fileno() >= listening.FIRST_DESCRIPTOR
            client.sendall(b"x")
            assert accepted.recv(1) == b"x"


def _accept(socket_: socket.socket) -> Any:
    try:
        return socket_.accept()[0]
    except BlockingIOError:
        return None


def test_an_address_that_is_not_ours_is_told_in_words() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1.*web\.host"):
        listening.listen("192.0.2.1", 0)
    with pytest.raises(SettingsError, match="cannot listen on no-such-host"):
        listening.listen("no-such-host.invalid", 0)


def test_all_ports_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(*_: object) -> listening.Listening:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(listening, "_bound", bound)
    with pytest.raises(SettingsError, match="already in use"):
        listening.listen("127.0.0.1", 65_500)


@pytest.mark.parametrize("error", [RuntimeError("broken"), ImportError("no module"), SystemExit(1)])
def test_what_fails_is_tried_again(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    create_app, calls = app_module.create_app, []

    def fails_once(context: Any) -> Any:
        calls.append(context)
        if len(calls) == 1:
            raise error
        return create_app(context)

    monkeypatch.setattr(app_module, "create_app", fails_once)
    with closing(WebServer(web_settings(tmp_path, database))) as server:
        server.start()
        assert not server.wait(START_S) and server.failure is error
        wait_for(lambda: server.url, "it serves at last")
        assert server.failure is None
        assert httpx.get(f"{server.url}/livez").status_code == 200


def test_streams_end_when_it_stops(database: str, tmp_path: Path) -> None:
    server = WebServer(web_settings(tmp_path, prepared(database)))
    with closing(server):
        server.start()
        assert server.wait(START_S), server.failure
        with (
            httpx.Client(base_url=str(server.url), timeout=30.0) as client,
            client.stream("GET", "/api/v1/stream") as stream,
        ):
            assert stream.status_code == 200
            parts = stream.iter_bytes()
            next(parts)
            server.stop()
            for _ in parts:  # it ends as a whole answer does, and not by a broken connection
                pass
        wait_for(lambda: not server._thread.is_alive(), "the thread ends", 5.0)


def test_the_database_goes_away_and_comes_back(
    database: str, elsewhere: str, tmp_path: Path
) -> None:
    name = database.rsplit("/", 1)[1]
    with serving(tmp_path, prepared(database)) as client:
        assert client.get("/readyz").status_code == 200
        execute(elsewhere, f'alter database "{name}" with allow_connections false')
        execute(
            elsewhere,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
        )
        away = client.get("/api/v1/requests/1")
        assert away.status_code == 503 and int(away.headers["retry-after"]) > 0
        assert away.headers["content-type"] == "application/problem+json"
        page = client.get("/", headers={"Accept": "text/html"})
        assert page.status_code == 503 and "database is away" in page.text
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503

        execute(elsewhere, f'alter database "{name}" with allow_connections true')
        wait_for(lambda: client.get("/readyz").status_code == 200, "it is ready again")
        assert client.get("/api/v1/requests/1").status_code == 404


def test_tables_of_another_version_are_told_in_words(database: str, tmp_path: Path) -> None:
    prepared(database)
    execute(database, "update reconciler.migrations set version_num = '9999'")
    with serving(tmp_path, database) as client:
        away = client.get("/api/v1/requests/1")
        assert away.status_code == 503 and "upgrade the reconciler" in away.json()["detail"]


@pytest.mark.parametrize("web", [{"host": "0.0.0.0"}, {"require_token": True}])
def test_without_a_token_it_does_not_start_where_one_is_required(
    database: str, tmp_path: Path, web: dict[str, Any]
) -> None:
    prepared(database)
    with closing(WebServer(web_settings(tmp_path, database, **web))) as server:
        server.start()
        assert not server.wait(START_S)
        assert isinstance(server.failure, SettingsError)
        assert "reconciler token create" in str(server.failure)
        token = token_of(database, "reader")
        wait_for(lambda: server.url, "it starts as soon as there is a token")
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/api/v1/requests/1").status_code == 401
        found = httpx.get(f"{server.url}/api/v1/requests/1", headers=bearer)
        assert found.status_code == 404
