"""The HTTP client against real sockets: slow, broken, endless, secure and absent servers."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.errors import ServerAnswer, ServerRefused, ServerTimeout
from tests.unit.comfyui.tcp import Visit, deaf_port, free_port, serving

pytestmark = pytest.mark.timeout(30)  # A deadline that does not hold shows as a hanging test.


def client_of(url: str, **options: Any) -> ComfyClient:
    address = {key: options.pop(key) for key in ("token", "tls_ca") if key in options}
    quick = {"connect_timeout_s": 0.3, "timeout_s": 0.5}
    return ComfyClient(ServerAddress("main", url, **address), **(quick | options))


def ask(url: str, **options: Any) -> object:
    with closing(client_of(url, **options)) as client:
        return client.ending("p")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def unknown(visit: Visit) -> None:
    """Answers every request of a connection: the prompt is not known."""
    while visit.request():
        visit.answer(b"{}")


def headers_that_drip(visit: Visit) -> None:
    visit.request()
    visit.line.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    visit.drip()


def body_that_drips(visit: Visit) -> None:
    visit.request()
    visit.line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    visit.drip(b" ")


def chunks_that_drip(visit: Visit) -> None:
    visit.request()
    visit.line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    visit.drip(b"1\r\n \r\n")


@pytest.mark.parametrize(
    "talk", [Visit.say_nothing, headers_that_drip, body_that_drips, chunks_that_drip]
)
def test_an_answer_has_to_come_whole_and_in_time(talk: Callable[[Visit], None]) -> None:
    with serving(talk) as server, pytest.raises(ServerTimeout, match=r"within 0\.5 s"):
        ask(server.url)


def test_shaking_hands_has_to_end_in_time() -> None:
    def handshake_that_drips(visit: Visit) -> None:
        visit.line.recv(4096)
        visit.drip(b"\x16\x03\x03\x40\x00" + bytes(1000))

    with serving(handshake_that_drips) as server, pytest.raises(ServerTimeout):
        ask(f"https://127.0.0.1:{server.port}")


def test_connecting_has_to_end_in_time() -> None:
    with deaf_port() as port, pytest.raises(ServerTimeout, match=r"0\.3 s to connect"):
        ask(f"http://127.0.0.1:{port}")


def test_resolving_and_connecting_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        threading.Event().wait(0.7)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with serving(headers_that_drip) as server, pytest.raises(ServerTimeout):
        ask(server.url)


def test_a_timeout_spoils_nothing_for_the_next_request() -> None:
    def silent_at_first(visit: Visit) -> None:
        (visit.say_nothing if visit.number == 1 else lambda: unknown(visit))()

    with serving(silent_at_first) as server, closing(client_of(server.url)) as client:
        with pytest.raises(ServerTimeout):
            client.ending("p")
        assert client.ending("p") is None


def test_nobody_there_is_a_refusal() -> None:
    with pytest.raises(ServerRefused, match=r"Connection refused.*Does ComfyUI run there"):
        ask(f"http://user:secret@127.0.0.1:{free_port()}")


def test_a_name_that_does_not_resolve_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(ServerRefused, match="Name or service not known") as caught:
        ask("http://user:secret@gpu.invalid:8188")
    assert "secret" not in str(caught.value)


def hangs_up(visit: Visit) -> None:
    visit.request()


def test_hanging_up_without_an_answer_is_a_refusal_at_once() -> None:
    with serving(hangs_up) as server:
        with pytest.raises(ServerRefused, match="closed connection without response"):
            ask(server.url)
        assert server.visits == 1


def hangs_up_on_the_second(visit: Visit) -> None:
    visit.request()
    visit.answer(b"{}")
    if visit.number == 1:
        visit.request()
    else:
        unknown(visit)


def test_a_question_on_a_stale_connection_is_asked_again() -> None:
    with serving(hangs_up_on_the_second) as server:
        with closing(client_of(server.url)) as client:
            assert client.ending("p") is None
            assert client.ending("p") is None
        assert server.visits == 2


def test_an_order_on_a_stale_connection_is_not_given_twice() -> None:
    with serving(hangs_up_on_the_second) as server:
        with closing(client_of(server.url)) as client:
            client.remove_pending("p")
            with pytest.raises(ServerRefused):
                client.remove_pending("p")
        assert server.visits == 1


def endless(head: bytes) -> Callable[[Visit], None]:
    def talk(visit: Visit) -> None:
        visit.request()
        visit.line.sendall(head)
        while not visit.over.is_set():
            visit.line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")

    return talk


@pytest.mark.parametrize("status", [b"200 OK", b"302 Found\r\nLocation: /x", b"500 Oops"])
def test_an_endless_answer_is_not_read(status: bytes) -> None:
    talk = endless(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    with (
        serving(talk) as server,
        pytest.raises(ServerAnswer, match=r"more than 200000 bytes.*max_answer_bytes"),
    ):
        ask(server.url, max_answer_bytes=200_000, timeout_s=10.0)


def test_an_answer_of_just_the_right_size_is_read() -> None:
    body = b'{"p": {"prompt": [], "outputs": {}, "status": null}}'.ljust(200_000)

    def talk(visit: Visit) -> None:
        visit.request()
        visit.answer(body)

    with serving(talk) as server:
        assert ask(server.url, max_answer_bytes=200_000) is not None
        with pytest.raises(ServerAnswer, match="more than 199999 bytes"):
            ask(server.url, max_answer_bytes=199_999)


def test_an_answer_of_too_many_values_is_not_parsed() -> None:
    def talk(visit: Visit) -> None:
        visit.request()
        visit.answer(b"[" + b"{}," * 60_000 + b"{}]")

    with serving(talk) as server, pytest.raises(ServerAnswer, match="more values than any queue"):
        ask(server.url, max_answer_bytes=200_000, timeout_s=10.0)


def said(data: bytes) -> Callable[[Visit], None]:
    def talk(visit: Visit) -> None:
        visit.request()
        visit.line.sendall(data)

    return talk


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "broke off its answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "something else than HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip", "else than HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n{}", "else than HTTP"),
    ],
)
def test_broken_answers_are_told_apart(data: bytes, words: str) -> None:
    with serving(said(data)) as server, pytest.raises(ServerAnswer, match=words):
        ask(server.url)


def test_the_right_authority_is_needed(tls: ssl.SSLContext, ca_file: Path) -> None:
    with serving(unknown, tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert ask(url, tls_ca=ca_file) is None
        with pytest.raises(ServerRefused, match=r"certificate verify failed.*tls_ca"):
            ask(url)


def test_https_to_a_plain_server_is_a_refusal() -> None:
    def talk(visit: Visit) -> None:
        visit.line.recv(4096)
        visit.answer(b"", status="400 Bad Request")

    with serving(talk) as server, pytest.raises(ServerRefused, match="speak https"):
        ask(f"https://127.0.0.1:{server.port}")


def test_an_authority_that_is_missing_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(ServerRefused, match=r"none\.pem"):
        ask("https://127.0.0.1:1", tls_ca=tmp_path / "none.pem")


def test_nothing_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    def talk(visit: Visit) -> None:
        heard.append(visit.request())
        visit.answer(b"{}")

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with serving(talk) as server:
        assert ask(server.url, token="t0ken") is None
    assert b"Authorization: Bearer t0ken\r\n" in heard[0]


def test_threads_share_one_connection() -> None:
    with serving(unknown) as server:
        with closing(client_of(server.url, timeout_s=10.0)) as client:
            found: list[object] = []
            threads = [
                threading.Thread(target=lambda: found.extend(client.ending("p") for _ in range(5)))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert found == [None] * 40
        assert server.visits == 1


@pytest.fixture(autouse=True)
def no_timer_is_left() -> Iterator[None]:
    yield
    alive = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for thread in alive:
        thread.join(1.0)
    assert not any(thread.is_alive() for thread in alive)
