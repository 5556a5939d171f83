"""The websocket against a real server that freezes, steals, drips, dies and comes back."""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.channel import Channel
from reconciler.comfyui.events import (
    Connected,
    Disconnected,
    ProgressHeard,
    SocketEvent,
    StatusHeard,
    events_of,
)
from reconciler.comfyui.socket import ComfySocket, SocketTiming
from tests.unit.comfyui.recorded import VERSIONS, messages, names, recorded
from tests.unit.comfyui.tcp import Visit, deaf_port, free_port, serving, wait_for
from tests.unit.comfyui.wsserver import Guest, WebsocketServer, listening, status

pytestmark = pytest.mark.timeout(60)

QUICK = {"first_status_s": 1.0, "first_wait_s": 0.02, "longest_wait_s": 0.1}


class Ears:
    """A socket and what it has heard."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self.heard: list[SocketEvent] = []
        address = ServerAddress(
            "main", url, token=options.pop("token", None), tls_ca=options.pop("tls_ca", None)
        )
        on_event: Callable[[SocketEvent], None] = options.pop("on_event", self.heard.append)
        size = {key: options.pop(key) for key in ("max_message_bytes",) if key in options}
        timing = SocketTiming(**(QUICK | options))
        self.socket = ComfySocket(address, "reconciler-1", on_event, timing=timing, **size)

    def of(self, kind: type[SocketEvent]) -> list[SocketEvent]:
        return [event for event in self.heard if isinstance(event, kind)]

    def wait(self, kind: type[SocketEvent], count: int = 1) -> SocketEvent:
        wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]


@contextmanager
def ears(url: str, **options: Any) -> Iterator[Ears]:
    opened = Ears(url, options)
    opened.socket.start()
    try:
        yield opened
    finally:
        opened.socket.stop()
        wait_for(lambda: "comfy-socket-main" not in [t.name for t in threading.enumerate()])


async def stays(guest: Guest) -> None:
    await guest.ws.send_json(status(0))
    await guest.stay()


SPOKEN = [
    (version, name)
    for version in VERSIONS
    for name in names(version)
    if "ws" in (recorded(version, name) if isinstance(recorded(version, name), dict) else {})
]


@pytest.mark.parametrize(("version", "name"), SPOKEN)
def test_a_recorded_transcript_is_heard_whole(version: str, name: str) -> None:
    transcript = messages(version, name)

    async def replay(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        for message in transcript:
            await guest.ws.send_str(message.decode())
            await guest.ws.send_bytes(b"\0\0\0\1preview")
        await guest.ws.send_json(status(999))
        await guest.stay()

    expected = [event for message in transcript for event in events_of(message)]
    with listening(replay) as server, ears(server.url) as us:
        wait_for(lambda: StatusHeard(999) in us.heard)
        assert us.heard == [Connected(), StatusHeard(0), *expected, StatusHeard(999)]
        assert us.socket.garbage == 0
        assert server.guests[0].client_id == "reconciler-1"


def test_garbage_is_counted_and_listening_goes_on() -> None:
    async def babble(guest: Guest) -> None:
        await guest.ws.send_str("<html>")
        await guest.ws.send_json(status(0))
        for nonsense in ("", "[1", '{"type": 3}', '{"type": "progress", "data": {"prompt_id": 1}}'):
            await guest.ws.send_str(nonsense)
        guest.raw(b"\x81\x02\xff\xfe")  # a text frame that is no UTF-8
        await guest.ws.send_json(status(1))
        await guest.stay()

    with listening(babble) as server, ears(server.url) as us:
        us.wait(StatusHeard, 2)
        assert us.heard == [Connected(), StatusHeard(0), StatusHeard(1)]
        assert us.socket.garbage == 6
        assert len(server.guests) == 1


def test_a_silent_socket_is_replaced_and_nobody_is_told() -> None:
    with listening(stays) as server, ears(server.url, silence_s=0.1, longest_wait_s=3600) as us:
        us.wait(Connected)
        since = us.socket.listening_since
        wait_for(lambda: len(server.guests) >= 4)
        us.wait(StatusHeard, 4)
        assert us.socket.listening_since == since is not None
        assert us.of(Connected) == [Connected()]
        assert us.of(Disconnected) == []


def test_the_end_of_the_old_socket_does_not_take_the_new_one_along() -> None:
    async def busy(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        if guest.number == 1:
            await asyncio.sleep(0.9)  # as while a node computes: the goodbye waits to be read
        await guest.stay()

    with listening(busy) as server, ears(server.url, silence_s=0.6) as us:
        wait_for(lambda: len(server.guests) == 2)
        us.wait(StatusHeard, 2)
        wait_for(lambda: server.guests[0].forgotten)
        assert server.known["reconciler-1"].number == 2
        server.broadcast(status(77))
        wait_for(lambda: StatusHeard(77) in us.heard)


def test_a_socket_that_missed_a_change_of_the_queue_was_not_listening() -> None:
    async def frozen(guest: Guest) -> None:
        await guest.ws.send_json(status(guest.number))
        await guest.stay()

    with listening(frozen) as server, ears(server.url, silence_s=0.1) as us:
        us.wait(Connected)
        first = us.socket.listening_since
        us.wait(StatusHeard, 3)
        assert len(server.guests) >= 3
        assert first is not None
        wait_for(lambda: (us.socket.listening_since or 0.0) > first)


def test_a_connection_without_a_first_status_is_replaced() -> None:
    async def silent_at_first(guest: Guest) -> None:
        if guest.number > 2:
            await guest.ws.send_json(status(0))
        await guest.stay()

    with listening(silent_at_first) as server, ears(server.url, first_status_s=0.2) as us:
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "no status" in lost.reason
        assert us.socket.listening_since is None
        us.wait(Connected)
        assert us.heard == [lost, Connected(), StatusHeard(0)]
        assert us.socket.listening_since is not None
        assert len(server.guests) == 3


def test_a_stolen_socket_backs_off_and_does_not_fight() -> None:
    async def stolen(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        if guest.number <= 5:
            await guest.ws.close(code=4001, message=b"used elsewhere")
        await guest.stay()

    with (
        listening(stolen) as server,
        ears(server.url, first_wait_s=0.05, longest_wait_s=10.0) as us,
    ):
        wait_for(lambda: len(server.guests) == 6)
        came = [guest.came_at for guest in server.guests]
        gaps = [later - earlier for earlier, later in pairwise(came)]
        assert all(gap >= 0.05 * 2**n for n, gap in enumerate(gaps))
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "(4001 'used elsewhere')" in lost.reason
        us.wait(Connected, 6)


def test_a_flood_is_not_read_and_the_next_attempt_waits_longer() -> None:
    async def floods(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        while guest.number <= 3:
            await guest.ws.send_json(status(1))
        await guest.stay()

    quick = {"most_per_second": 50, "first_wait_s": 0.05, "longest_wait_s": 10.0}
    with listening(floods) as server, ears(server.url, **quick) as us:
        wait_for(lambda: len(server.guests) == 4)
        assert len(us.of(StatusHeard)) <= 3 * 51 + 1
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "more than 50 messages a second" in lost.reason
        came = [guest.came_at for guest in server.guests]
        assert all(
            later - sooner >= 0.05 * 2**n for n, (sooner, later) in enumerate(pairwise(came))
        )
        us.wait(Connected, 4)


@pytest.mark.parametrize("more", [b"\0", b"a: b\r\n"])
def test_a_handshake_without_end_is_given_up(more: bytes) -> None:
    def goes_on(visit: Visit) -> None:
        visit.request()
        visit.line.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        while not visit.over.is_set():
            visit.line.sendall(more * 1000)

    with serving(goes_on) as server, ears(server.url, first_status_s=20.0) as us:
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "no end" in lost.reason


def test_a_steady_connection_that_breaks_is_replaced_at_once() -> None:
    async def breaks(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        if guest.number < 4:
            await guest.ws.close()
        await guest.stay()

    with listening(breaks) as server, ears(server.url, steady_s=0.0, first_wait_s=3600.0) as us:
        us.wait(Connected, 4)
        assert len(server.guests) == 4


def test_a_server_that_goes_and_comes_back_is_found_again() -> None:
    port = free_port()
    with ears(f"http://127.0.0.1:{port}", gap_s=0.0) as us:
        refused = us.wait(Disconnected)
        assert isinstance(refused, Disconnected) and "refused" in refused.reason
        for n in (1, 2):
            with listening(stays, port):
                us.wait(Connected, n)
                assert us.socket.listening_since is not None
            us.wait(Disconnected, n + 1)
            assert us.socket.listening_since is None
        changes = [type(e) for e in us.heard if not isinstance(e, StatusHeard)]
        assert changes == [Disconnected, Connected] * 2 + [Disconnected]


def test_a_frame_that_drips_is_silence() -> None:
    async def drips(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        if guest.number == 1:
            guest.raw(b"\x81\x7e\xf0\x00")  # a text of 61440 bytes follows
            while guest.request.transport is not None:
                guest.raw(b" ")
                await asyncio.sleep(0.02)
        await guest.stay()

    with listening(drips) as server, ears(server.url, silence_s=0.3) as us:
        wait_for(lambda: len(server.guests) >= 2)
        us.wait(StatusHeard, 2)
        assert us.of(Disconnected) == []


def test_a_handshake_that_drips_is_cut() -> None:
    def drip(visit: Visit) -> None:
        visit.request()
        visit.line.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX-Long: ")
        visit.drip()

    with serving(drip) as server, ears(server.url, first_status_s=0.3) as us:
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "in time" in lost.reason
        wait_for(lambda: server.visits >= 2)


@pytest.mark.parametrize("opcode", [0x81, 0x82])
def test_a_message_without_an_end_is_not_taken_in(opcode: int) -> None:
    async def endless(guest: Guest) -> None:
        await guest.ws.send_json(status(0))
        if guest.number == 1:
            guest.raw(bytes([opcode, 0x7F]) + (2**40).to_bytes(8))
            for _ in range(100):
                guest.raw(bytes(65536))
        await guest.stay()

    with listening(endless) as server, ears(server.url, max_message_bytes=200_000) as us:
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and "more than 200000 bytes" in lost.reason
        us.wait(Connected, 2)


def test_a_listener_that_fails_stops_nothing() -> None:
    heard: list[SocketEvent] = []

    def fails(event: SocketEvent) -> None:
        heard.append(event)
        raise RuntimeError("listener")

    with listening(stays) as server, ears(server.url, on_event=fails):
        wait_for(lambda: len(heard) == 2)
        server.broadcast(status(5))
        wait_for(lambda: heard == [Connected(), StatusHeard(0), StatusHeard(5)])


def test_a_mistake_of_our_own_does_not_end_the_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    open_channel, mistakes = Channel.open, iter([RuntimeError("ours")])

    def mistaken(channel: Channel, timeout_s: float) -> None:
        for mistake in mistakes:
            raise mistake
        open_channel(channel, timeout_s)

    monkeypatch.setattr(Channel, "open", mistaken)
    with listening(stays) as server, ears(server.url) as us:
        us.wait(Connected)


def test_the_address_is_used_as_it_is_for_http(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with listening(stays, tls=tls) as server:
        with ears(server.url, tls_ca=tmp_path / "ca.pem", token="t0ken") as us:
            us.wait(Connected)
            headers = server.guests[0].request.headers
            assert headers["Authorization"] == "Bearer t0ken"
            assert "Origin" not in headers
            server.broadcast(status(3))
            wait_for(lambda: StatusHeard(3) in us.heard)
        with ears(server.url) as strangers:
            lost = strangers.wait(Disconnected)
            assert isinstance(lost, Disconnected)
            assert "certificate verify failed" in lost.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("403 Forbidden",), "403"),
        (("302 Found", "Location: /elsewhere"), "Redirect"),
        (("200 OK",), "200"),
    ],
)
def test_a_server_that_speaks_no_websocket(answer: tuple[str, ...], reason: str) -> None:
    def refuse(visit: Visit) -> None:
        visit.request()
        visit.answer(b"<html>" * 1000, *answer[1:], status=answer[0])

    with serving(refuse) as server, ears(server.url) as us:
        lost = us.wait(Disconnected)
        assert isinstance(lost, Disconnected) and reason in lost.reason
        assert len(lost.reason) <= 200


def says_nothing(visit: Visit) -> None:
    visit.say_nothing()


def test_stop_ends_every_state() -> None:
    with listening(stays) as server, ears(server.url) as connected:
        connected.wait(Connected)
    with serving(says_nothing) as mute, ears(mute.url, first_status_s=60.0):
        wait_for(lambda: mute.visits == 1)
    with ears(f"http://127.0.0.1:{free_port()}", first_wait_s=3600.0) as waiting:
        waiting.wait(Disconnected)
    with deaf_port() as port, ears(f"http://127.0.0.1:{port}"):
        pass


def test_stop_says_goodbye_and_nothing_comes_after_it() -> None:
    with listening(stays) as server:
        with ears(server.url) as us:
            us.wait(StatusHeard)
        wait_for(lambda: server.known == {})
        assert server.guests[0].ws.close_code == 1000
        assert us.heard == [Connected(), StatusHeard(0)]
        assert us.socket.listening_since is not None  # a moment ago is recent enough
        us.socket.stop()


def test_stop_from_within_a_listener_does_not_wait_for_itself() -> None:
    stopped = threading.Event()
    held: list[ComfySocket] = []

    def stop(event: SocketEvent) -> None:
        held[0].stop()
        stopped.set()

    with listening(stays) as server:
        socket = ComfySocket(ServerAddress("main", server.url), "us", stop)
        held.append(socket)
        socket.start()
        assert stopped.wait(20)
        wait_for(lambda: server.known == {})


def test_progress_reaches_us_over_every_replacement() -> None:
    def progress(value: int) -> dict[str, Any]:
        data = {"value": value, "max": 100, "prompt_id": "p", "node": "3"}
        return {"type": "progress", "data": data}

    def told(server: WebsocketServer, us: Ears, value: int) -> bool:
        server.broadcast(progress(value))
        return ProgressHeard("p", "3", float(value), 100.0) in us.heard

    with listening(stays) as server, ears(server.url, silence_s=0.05) as us:
        for value in range(1, 6):
            known = len(server.guests)
            wait_for(lambda known=known: len(server.guests) > known)
            wait_for(lambda value=value: told(server, us, value))
