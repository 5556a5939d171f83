"""Who gets past the guard: over real connections, with a real database behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from reconciler.settings import load
from reconciler.store import open_store
from reconciler.store.records import Event
from reconciler.store.tokens import TokenStore
from reconciler.web.app import create_app
from reconciler.web.context import WebContext
from reconciler.web.database import Stores
from reconciler.web.security import keyring, lasting
from tests.integration.commands import Stage
from tests.integration.web.serving import csrf_of, prepared, serving, token_of
from tests.waiting import wait_for

#: A change: of a job that is not there, so that the answer of whoever gets to it is 404.
CHANGE = "/api/v1/jobs/none/cancel"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def url(database: str) -> str:
    return prepared(database)


@pytest.fixture(scope="module")
def client(
    module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """On loopback, as it comes; of all tests that leave nothing behind."""
    with serving(tmp_path_factory.mktemp("web"), prepared(module_database)) as client:
        yield client


@pytest.fixture
def guarded(url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Where a token is needed."""
    token_of(url, "reader", "first")
    with serving(tmp_path, url, require_token=True) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def is_problem(answer: httpx.Response, status: int, words: str = "") -> bool:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status and words in told["detail"]
    return True


# Names


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8328", "10.1.2.3", "", "a b"])
def test_another_name_that_leads_here_is_refused(client: httpx.Client, host: str) -> None:
    for path in ("/api/v1/requests/1", "/livez", "/static/x/css/parts.css"):
        assert is_problem(client.get(path, headers={"Host": host}), 421)
    for path in ("/", "/login"):
        assert client.get(path, headers={"Host": host}).status_code == 421
    assert is_problem(client.post(CHANGE, headers={"Host": host}), 421)


def test_names_of_the_settings_are_ours(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, allowed_hosts=["GPU.Studio.lan"]) as client:
        for host in ("gpu.studio.lan", "gpu.studio.lan:8328", "localhost:1", "[::1]:8328"):
            assert client.get("/livez", headers={"Host": host}).status_code == 200


def test_a_request_without_a_host_or_with_two_is_refused(client: httpx.Client) -> None:
    assert b" 421 " in raw(client, b"GET /livez HTTP/1.0\r\n\r\n")
    two = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    assert b" 400 " in raw(client, two)


def raw(client: httpx.Client, request: bytes) -> bytes:
    """The first line of the answer to these bytes."""
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), 30.0) as connection:
        connection.sendall(request)
        return connection.makefile("rb").readline()


# Origins


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1:1"])
def test_a_page_of_another_origin_changes_nothing(client: httpx.Client, origin: str) -> None:
    headers = {"Origin": origin, "X-CSRF-Token": csrf_of(client)}
    assert is_problem(client.post(CHANGE, headers=headers), 403, "another site")


def test_a_page_of_another_site_reads_nothing_but_may_link(client: httpx.Client) -> None:
    for site in ("cross-site", "same-site"):
        answer = client.get("/api/v1/requests/1", headers={"Sec-Fetch-Site": site})
        assert is_problem(answer, 403, "another site")
    assert client.get("/", headers=LINK).status_code == 200
    assert is_problem(client.post(CHANGE, headers=LINK), 403)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "null"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_no_websocket_for_a_page_of_another_site(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    address = str(client.base_url).replace("http", "ws") + "/api/v1/ws"
    with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 403


# Changes


def test_a_change_needs_the_token_of_a_page(client: httpx.Client) -> None:
    token = csrf_of(client)
    assert is_problem(client.post(CHANGE), 403, "X-CSRF-Token")
    for wrong in ("x", token[:-1], token + "0"):
        assert is_problem(client.post(CHANGE, headers={"X-CSRF-Token": wrong}), 403)
    origin = str(client.base_url).rstrip("/")
    sent = client.post(CHANGE, headers={"X-CSRF-Token": token, "Origin": origin})
    assert is_problem(sent, 404)
    assert is_problem(client.post(CHANGE, data={"csrf_token": token}), 404)
    assert is_problem(client.post(CHANGE, data={"csrf_token": "x"}), 403)


def test_a_program_with_a_token_needs_none(client: httpx.Client, module_database: str) -> None:
    operator = bearer(token_of(module_database, "operator"))
    assert is_problem(client.post(CHANGE, headers=operator), 404)
    reader = bearer(token_of(module_database, "reader"))
    assert is_problem(client.post(CHANGE, headers=reader), 403, "only read")
    assert is_problem(client.get("/api/v1/requests/1", headers=reader), 404)


def test_the_token_of_one_page_is_none_of_anothers(guarded: httpx.Client, url: str) -> None:
    csrf = {}
    for name in ("ana", "ben"):
        sign_in(guarded, token_of(url, "operator", name))
        csrf[name] = csrf_of(guarded)
    assert is_problem(guarded.post(CHANGE, headers={"X-CSRF-Token": csrf["ben"]}), 404)
    assert is_problem(guarded.post(CHANGE, headers={"X-CSRF-Token": csrf["ana"]}), 403)


def test_nothing_changes_but_by_post(url: str, tmp_path: Path) -> None:
    settings = load(environ={}, flags={"data_dir": tmp_path})
    app = create_app(WebContext(settings, Stores(lambda: open_store(url, create=False))))
    methods = {
        method
        for operations in app.openapi()["paths"].values()
        for method in operations
        if method in ("get", "head", "post", "put", "patch", "delete", "options")
    }
    assert methods <= {"get", "head", "post"}


# Tokens


def test_nobody_is_let_in_without_a_token(guarded: httpx.Client) -> None:
    for path in ("/api/v1/requests/1", "/api/v1/stream", "/metrics", "/openapi.json"):
        answer = guarded.get(path)
        assert is_problem(answer, 401), path
        assert answer.headers["www-authenticate"] == "Bearer"
    assert is_problem(guarded.post(CHANGE), 401)
    page = guarded.get("/jobs?status=failed", headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=%2Fjobs%3Fstatus%3Dfailed"
    assert guarded.get("/livez").status_code == guarded.get("/readyz").status_code == 200
    assert is_problem(guarded.get("/readyz?verbose"), 401)


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer x", "Basic eDp5", "rec_", "Bearer rec_" + "A" * 43]
)
def test_a_wrong_token_is_refused_also_where_none_is_needed(
    client: httpx.Client, sent: str
) -> None:
    answer = client.get("/api/v1/requests/1", headers={"Authorization": sent})
    assert is_problem(answer, 401) and "invalid_token" in answer.headers["www-authenticate"]


def test_a_token_that_expired_or_was_revoked_is_none(guarded: httpx.Client, url: str) -> None:
    token, brief = token_of(url, "reader", "ana"), token_of(url, "reader", "brief", 1.0)
    assert is_problem(guarded.get("/api/v1/requests/1", headers=bearer(token)), 404)
    sign_in(guarded, token)
    with_store(url, lambda store: store.revoke("ana"))
    for headers in (bearer(token), {}):  # and so is the session that began with it
        wait_for(
            lambda headers=headers: (
                guarded.get("/api/v1/requests/1", headers=headers).status_code == 401
            ),
            "it is revoked",
        )
    wait_for(
        lambda: guarded.get("/api/v1/requests/1", headers=bearer(brief)).status_code == 401,
        "it has expired",
    )


def test_a_stream_ends_with_its_token(
    guarded: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (keyring, lasting):
        monkeypatch.setattr(module, "FRESH_S", 0.1)
    stage = Stage(url)
    job = stage.known("queued")
    headers = bearer(token_of(url, "reader", "ana"))
    with closing(stage), guarded.stream("GET", "/api/v1/stream", headers=headers) as stream:
        parts = stream.iter_bytes()
        next(parts)
        with_store(url, lambda store: store.revoke("ana"))
        reading = threading.Thread(target=lambda: list(parts))
        reading.start()

        def ends() -> bool:
            stage.tell(job, Event("seen", "it waits"))
            return not reading.is_alive()

        wait_for(ends, "the stream ends")


def test_who_tries_tokens_is_told_to_wait_and_who_has_one_is_not(
    guarded: httpx.Client, url: str
) -> None:
    right = bearer(token_of(url, "reader", "ana"))
    statuses = [
        guarded.get("/api/v1/requests/1", headers=bearer(f"rec_{n}")).status_code for n in range(15)
    ]
    assert statuses == [401] * 10 + [429] * 5
    refused = guarded.get("/api/v1/requests/1", headers=bearer("rec_x"))
    assert is_problem(refused, 429) and int(refused.headers["retry-after"]) > 0
    wait_for(
        lambda: guarded.get("/api/v1/requests/1", headers=right).status_code == 404,
        "the right one is let in",
    )


def with_store(url: str, do: Any) -> None:
    with closing(open_store(url, create=False)) as store:
        do(TokenStore(store.connection))


def test_its_use_is_noted_to_the_hour(guarded: httpx.Client, url: str) -> None:
    token = token_of(url, "reader", "ana")
    assert is_problem(guarded.get("/api/v1/requests/1", headers=bearer(token)), 404)
    used: list[Any] = []
    with_store(url, lambda store: used.extend(t.last_used_at for t in store.all()))
    assert used[0] is None and used[1] is not None


# Pages


def sign_in(client: httpx.Client, token: str, next_: str = "/") -> httpx.Response:
    client.cookies.clear()
    form = {"token": token, "next": next_, "csrf_token": csrf_of(client)}
    origin = str(client.base_url).rstrip("/")
    return client.post("/login", data=form, headers={"Origin": origin})


def test_one_signs_in_with_a_token_and_out(guarded: httpx.Client, url: str) -> None:
    token = token_of(url, "operator", "ana")
    signed_in = sign_in(guarded, token, "/jobs?status=failed")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/jobs?status=failed")
    cookie = signed_in.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token not in cookie
    page = guarded.get("/jobs")
    assert page.status_code == 200 and "Signed in as ana" in page.text
    assert guarded.get("/login?next=/jobs").headers["location"] == "/jobs"

    assert is_problem(guarded.post("/logout"), 403)
    out = guarded.post("/logout", data={"csrf_token": csrf_of(guarded)})
    assert out.headers["location"] == "/login"
    assert guarded.get("/jobs", headers={"Accept": "text/html"}).status_code == 303


def test_a_reader_sees_and_changes_nothing(guarded: httpx.Client, url: str) -> None:
    sign_in(guarded, token_of(url, "reader", "ana"))
    assert guarded.get("/jobs").status_code == 200
    change = guarded.post(CHANGE, headers={"X-CSRF-Token": csrf_of(guarded)})
    assert is_problem(change, 403, "only read")


def test_a_wrong_token_leads_to_the_form_again(guarded: httpx.Client) -> None:
    answer = sign_in(guarded, "rec_<script>")
    assert answer.status_code == 403 and "unknown, revoked or has expired" in answer.text
    assert "rec_" not in answer.text and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/\n/x"]
)
def test_nobody_is_sent_elsewhere(guarded: httpx.Client, url: str, target: str) -> None:
    signed_in = sign_in(guarded, token_of(url, "reader", "ana"), target)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")


def test_a_link_elsewhere_finds_the_session(guarded: httpx.Client, url: str) -> None:
    """The browser sends the cookie when our own page loads the next."""
    first = guarded.get("/login?next=/jobs", headers=LINK)
    assert first.status_code == 200 and first.headers["refresh"] == "0"
    again = guarded.get("/login?next=/jobs", headers={"Sec-Fetch-Site": "same-origin"})
    assert "refresh" not in again.headers


# Proxies


def test_what_a_proxy_passes_on_is_not_from_this_machine(client: httpx.Client) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert is_problem(client.get("/api/v1/requests/1", headers={header: "127.0.0.1"}), 401)


def test_a_trusted_proxy_says_who_asks_and_that_it_was_https(url: str, tmp_path: Path) -> None:
    token = token_of(url, "reader", "ana")
    settings = {"trusted_proxies": ["127.0.0.1"], "allowed_hosts": ["gpu.lan"]}
    with serving(tmp_path, url, **settings) as client:
        headers = {
            "Host": "gpu.lan",
            "X-Forwarded-For": "10.0.0.7",
            "X-Forwarded-Proto": "https",
            "Origin": "https://gpu.lan",
        }
        page = client.get("/login", headers=headers)
        csrf = page.text.split('name="csrf-token" content="')[1].split('"')[0]
        for n in range(11):
            form = {"token": "x", "csrf_token": csrf}
            wrong = client.post("/login", data=form, headers=headers)
            assert wrong.status_code == (403 if n < 10 else 429)
        other = headers | {"X-Forwarded-For": "10.0.0.8"}
        signed_in = client.post("/login", data={"token": token, "csrf_token": csrf}, headers=other)
        assert signed_in.status_code == 303 and "Secure" in signed_in.headers["set-cookie"]


# Limits


def test_ten_megabytes_are_refused(client: httpx.Client) -> None:
    csrf = {"X-CSRF-Token": csrf_of(client)}
    assert is_problem(client.post(CHANGE, content=b"x" * 10_000_000, headers=csrf), 413)
    streamed = client.post(CHANGE, content=(b"x" * 100_000 for _ in range(100)), headers=csrf)
    assert is_problem(streamed, 413)
    assert is_problem(client.post(CHANGE, content=b"x" * 1_000_000, headers=csrf), 404)


def test_a_long_address_and_long_headers_are_refused(client: httpx.Client) -> None:
    assert is_problem(client.get("/" + "x" * 9_000), 414)
    assert is_problem(client.get("/livez", headers={"X": "x" * 40_000}), 431)
    assert is_problem(client.get("/livez", headers={f"X-{n}": "x" for n in range(150)}), 431)
    assert client.get("/" + "x" * 7_000).status_code == 404


def test_a_header_that_never_ends_is_refused(client: httpx.Client) -> None:
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000
    assert b" 431 " in raw(client, endless)


def test_who_asks_too_often_is_told_to_wait(url: str, tmp_path: Path) -> None:
    with serving(tmp_path, url, requests_per_minute=60) as client:
        statuses = [client.get("/livez").status_code for _ in range(15)]
        assert statuses[:10] == [200] * 10 and 429 in statuses[10:]
        refused = client.get("/livez")
        assert is_problem(refused, 429) and refused.headers["retry-after"] == "1"


def test_who_is_slow_holds_up_nobody(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.web import protocol
    from reconciler.web.security import bodies

    monkeypatch.setattr(protocol, "HEAD_S", 0.3)
    monkeypatch.setattr(bodies, "BODY_S", 0.3)
    with serving(tmp_path, url) as client:
        csrf = csrf_of(client)
        body = (
            f"POST {CHANGE} HTTP/1.1\r\nHost: localhost\r\nX-CSRF-Token: {csrf}\r\n"
            "Content-Length: 9\r\n\r\nx"
        )
        assert b" 408 " in raw(client, b"GET / HTTP/1.1\r\nHost: local")
        assert b" 408 " in raw(client, body.encode())
        assert raw(client, b"") == b""  # closed without a word


# Headers


@pytest.mark.parametrize("path", ["/", "/jobs", "/nowhere", "/livez", "/api/v1/jobs", "/api/v1/ws"])
def test_head_is_answered_as_get_without_the_body(client: httpx.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    told = ("content-type", "content-security-policy", "cache-control")
    assert [head.headers[name] for name in told] == [got.headers[name] for name in told]


def test_head_of_a_stream_ends(client: httpx.Client) -> None:
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), 5.0) as connection:
        connection.sendall(
            b"HEAD /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert b" 200 " in head and b"text/event-stream" in head and body == b""


def test_every_answer_forbids_what_it_can(client: httpx.Client) -> None:
    paths = ("/", "/nowhere", "/livez", "/api/v1/requests/1", "/login", "/jobs")
    for path in paths:
        headers = client.get(path, headers={"Accept": "text/html"}).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    assert "sandbox" in client.get("/livez").headers["content-security-policy"]
    refused = client.get("/livez", headers={"Host": "evil.example"}).headers
    assert refused["x-content-type-options"] == "nosniff"


def test_a_defect_is_told_without_its_inside_and_with_the_headers(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("reconciler.web.api.health._passes", lambda context: 1 / 0)
    with serving(tmp_path, url) as client:
        answer = client.get("/livez")
        assert is_problem(answer, 500) and "ZeroDivisionError" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


# Secrets


def test_no_secret_is_logged(
    guarded: httpx.Client,
    url: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    token = token_of(url, "operator", "ana")
    cookie = sign_in(guarded, token).cookies["reconciler_session"]
    csrf = csrf_of(guarded)
    guarded.post(CHANGE, headers={"X-CSRF-Token": csrf})
    guarded.get("/api/v1/requests/1?key=query-secret", headers=bearer(token))
    guarded.get("/api/v1/requests/1?key=query-secret", headers=bearer("rec_wrong-secret"))
    raw(guarded, b"GET /\x00query-secret HTTP/9\r\n\r\n")
    ours = [r for r in caplog.records if not r.name.startswith(("httpx", "httpcore", "asyncio"))]
    logged = "\n".join(record.getMessage() for record in ours) + "".join(capsys.readouterr())
    assert "wrong token" in logged
    for secret in (token, cookie, csrf, "query-secret", "wrong-secret"):
        assert secret not in logged
