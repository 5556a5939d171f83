"""One POST to receivers that are well, slow, broken or wicked."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler

import pytest
import trustme

from reconciler.notify.webhooks.post import READ_BYTES, SHOWN_CHARS, Answer, Target, post
from tests.receiver import Got, answering, raw_server, receiver

#: Where an answer comes, and where none is waited for.
PATIENT_S, SHORT_S = 10.0, 0.4


def sent(url: str, timeout_s: float = PATIENT_S, body: bytes = b"{}") -> Answer:
    return post(Target(url, allow_private=True), {"X-Our": "header"}, body, timeout_s)


def test_the_message_arrives_as_it_is() -> None:
    with receiver() as known:
        answer = sent(f"{known.url}?token=1", body="größer".encode())
        (got,) = known.got
    assert (answer.status, answer.error, answer.excerpt) == (200, None, "thanks")
    assert (got.path, got.body.decode(), got.headers["X-Our"]) == (
        "/hook?token=1", "größer", "header",
    )  # fmt: skip
    assert got.headers["Host"] == known.url.split("/")[2]


def test_a_redirect_is_an_answer_and_nothing_is_asked_there() -> None:
    with receiver() as other, receiver(answering(307, Location=other.url)) as known:
        answer = sent(known.url)
        assert (answer.status, answer.location) == (307, other.url)
        assert other.got == []


def test_what_is_answered_is_escaped_and_cut() -> None:
    with receiver(answering(500, b"\x1b[31m<b>\xff\n" + b"x" * 5000)) as known:
        excerpt = sent(known.url).excerpt or ""
    assert excerpt.startswith("\\x1b[31m<b>\\xff\\n")
    assert excerpt.isprintable() and len(excerpt) == SHOWN_CHARS


def test_of_a_gigabyte_next_to_nothing_is_read() -> None:
    written = 0

    def flood(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        nonlocal written
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**30))
        handler.end_headers()
        while written < 2**30:
            written += handler.wfile.write(b"x" * 2**16)

    with receiver(flood) as known:
        answer = sent(known.url)
    assert answer.status == 200
    assert len(answer.excerpt or "") == SHOWN_CHARS < READ_BYTES
    assert written < 2**26, "what the sockets hold, and no more"


def hang(line: socket.socket) -> None:
    line.settimeout(PATIENT_S)
    while line.recv(2**16):  # until the other side hangs up
        pass


def drip(line: socket.socket) -> None:
    """A header that never ends, a byte at a time: no read of it ever takes long."""
    line.recv(2**16)
    line.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    pause = threading.Event()
    while True:
        line.sendall(b"x")
        pause.wait(0.02)


def interim(line: socket.socket) -> None:
    """Promises that the answer will come, for ever."""
    line.recv(2**16)
    pause = threading.Event()
    while True:
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        pause.wait(0.02)


@pytest.mark.parametrize("serve", [hang, drip, interim])
def test_nobody_is_waited_for_longer_than_the_time_out(serve) -> None:  # type: ignore[no-untyped-def]
    with raw_server(serve) as url:
        began_s = time.monotonic()
        answer = sent(url, SHORT_S)
        took_s = time.monotonic() - began_s
    assert (answer.status, answer.error) == (None, "no answer within 0.4 s")
    assert took_s < PATIENT_S


def test_a_body_that_drips_does_not_undo_the_status() -> None:
    def dripping(handler: BaseHTTPRequestHandler, got: Got, before: int) -> None:
        handler.send_response(204)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        threading.Event().wait(SHORT_S * 3)

    with receiver(dripping) as known:
        answer = sent(known.url, SHORT_S)
    assert (answer.status, answer.error) == (204, None)


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (lambda line: line.close(), "the connection failed|no HTTP"),
        (lambda line: (line.recv(2**16), line.sendall(b"SSH-2.0-x\r\n\r\n")), "no HTTP"),
        (lambda line: (line.recv(2**16), line.sendall(b"HTTP/1.1 2oo\r\n\r\n")), "no HTTP"),
        (
            lambda line: (
                line.recv(2**16),
                line.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
            ),
            "no HTTP",
        ),
        (
            lambda line: (
                line.recv(2**16),
                line.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**17 + b"\r\n\r\n"),
            ),
            "no HTTP|the connection failed",
        ),
    ],
)
def test_what_is_no_answer_is_told_in_words(serve, told: str) -> None:  # type: ignore[no-untyped-def]
    with raw_server(serve) as url:
        answer = sent(url)
    assert answer.status is None
    assert any(words in (answer.error or "") for words in told.split("|")), answer.error


def test_where_nothing_listens_and_what_does_not_resolve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert sent(f"http://127.0.0.1:{port}/").error == "nothing listens there"

    def nowhere(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    answer = post(Target("http://nowhere.example/", resolver=nowhere), {}, b"", PATIENT_S)
    assert answer.error == "its name does not resolve"


def test_a_private_address_is_refused_before_anything_is_sent() -> None:
    with receiver() as known:
        answer = post(Target(known.url), {}, b"{}", PATIENT_S)
        assert known.got == []
    assert (answer.error or "").startswith("refused to connect: 127.0.0.1 is not an address")


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rebinding: public when it is checked, private when it is asked again."""
    asked: list[str] = []
    tried: list[tuple[str, int]] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ("8.8.8.8",) if len(asked) == 1 else ("127.0.0.1",)

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    with receiver() as known:
        port = int(known.url.split(":")[2].split("/")[0])
        monkeypatch.setattr(socket, "create_connection", connect)
        target = Target(f"http://rebind.example:{port}/", resolver=rebinding)
        assert post(target, {}, b"{}", PATIENT_S).error == "nothing listens there"
        assert (asked, tried) == (["rebind.example"], [("8.8.8.8", port)])
        second = post(target, {}, b"{}", PATIENT_S)
        assert "refused to connect: 127.0.0.1" in (second.error or "")
        assert len(tried) == 1 and known.got == []


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as proxy, receiver() as known:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert sent(known.url).status == 200
        assert (len(known.got), len(proxy.got)) == (1, 0)


def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    with receiver() as known:
        url = known.url.replace("127.0.0.1", "two.example")
        target = Target(
            url, allow_private=True, resolver=lambda host, port: ("127.9.9.9", "127.0.0.1")
        )
        assert post(target, {}, b"{}", PATIENT_S).status == 200
        assert known.got[0].headers["Host"].startswith("two.example:")


def tls_of(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def post_tls(url: str, trust: ssl.SSLContext, timeout_s: float = PATIENT_S) -> Answer:
    target = Target(
        url.replace("127.0.0.1", "hook.example"),
        allow_private=True,
        tls=trust,
        resolver=lambda host, port: ("127.0.0.1",),
    )
    return post(target, {}, b"{}", timeout_s)


def test_the_certificate_is_that_of_the_name_not_of_the_address() -> None:
    authority = trustme.CA()
    with receiver(tls=tls_of(authority, "hook.example")) as known:
        assert post_tls(known.url, trusting(authority)).status == 200
    with receiver(tls=tls_of(authority, "127.0.0.1", "other.example")) as known:
        answer = post_tls(known.url, trusting(authority))
        assert (answer.error or "").startswith("its certificate is not trusted: Hostname mismatch")
        assert known.got == []
    with receiver(tls=tls_of(trustme.CA(), "hook.example")) as known:
        answer = post_tls(known.url, trusting(authority))
        assert "its certificate is not trusted" in (answer.error or "")


def test_a_handshake_that_hangs_is_cut() -> None:
    with raw_server(hang) as url:
        began_s = time.monotonic()
        answer = post_tls(url.replace("http:", "https:"), ssl.create_default_context(), SHORT_S)
        assert time.monotonic() - began_s < PATIENT_S
    assert answer.error == "no answer within 0.4 s"


def test_no_handle_and_no_thread_is_left_behind() -> None:
    with raw_server(hang) as slow, receiver() as known:
        sent(known.url)
        handles, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(5):
            sent(slow, 0.05)
            sent(known.url)
        assert len(os.listdir("/proc/self/fd")) <= handles + 2, "what the receivers still hold"
        assert threading.active_count() <= threads + 2
