"""Listening to a ComfyUI server's websocket, for ever and whatever happens to it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass

import structlog
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.channel import Channel, Hangup, Silence
from reconciler.comfyui.events import (
    Connected,
    Disconnected,
    SocketEvent,
    StatusHeard,
    events_of,
)
from reconciler.comfyui.fields import Misshapen

_log = structlog.get_logger(__name__)
_JOIN_S = 0.9


@dataclass(frozen=True, slots=True)
class SocketTiming:
    """Times of a `ComfySocket`, in seconds."""

    #: A connection silent for so long is replaced: it may be frozen, stolen or merely idle.
    silence_s: float = 60.0
    #: From connecting to the first `status`, which the server sends unasked.
    first_status_s: float = 5.0
    #: The waits between attempts double from the first to the longest, plus some chance.
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    #: A connection that broke sooner counts as a failed attempt: two clients that steal one
    #: client id from each other must not fight at full speed.
    steady_s: float = 20.0
    #: Longer gaps between two connections interrupt the listening.
    gap_s: float = 3.0
    #: More messages in a second than this are a flood: reading it would take the processor from
    #: everything else here, and reading it slowly would hold up ComfyUI's other clients.
    most_per_second: int = 1000


class Listening:
    """Since when, by the monotonic clock, the server's events have been reaching us.

    Segments with a short gap between them count as one. A segment at whose end the queue is
    another one than it told of was deaf and counts for nothing.
    """

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._since: float | None = None
        self._left_at: float | None = None
        self._queue_remaining: int | None = None

    def begin(self, now: float, queue_remaining: int) -> None:
        """A connection has proven itself by its first `status`."""
        deaf = queue_remaining != self._queue_remaining
        if self.since(now) is None or deaf:
            self._since = now
        self._left_at = None
        self._queue_remaining = queue_remaining

    def heard(self, queue_remaining: int) -> None:
        """The queue's length was told."""
        self._queue_remaining = queue_remaining

    def end(self, now: float) -> None:
        """The connection is gone."""
        if self._left_at is None:
            self._left_at = now

    def since(self, now: float) -> float | None:
        """Since when we have been listening, or None where we are not."""
        left_at = self._left_at
        return None if left_at is not None and now - left_at > self._gap_s else self._since


class Flood(Hangup):
    """More messages come than anybody could mean."""


class Rate:
    """Counts the messages of one connection. Raises `Flood`."""

    def __init__(self, most_per_second: int) -> None:
        self._most = most_per_second
        self._began = -math.inf
        self._count = 0

    def note(self, now: float) -> None:
        """A message came."""
        if now - self._began >= 1.0:
            self._began, self._count = now, 0
        self._count += 1
        if self._count > self._most:
            raise Flood(f"the server sends more than {self._most} messages a second")


class ComfySocket:
    """A thread that keeps a websocket to one server open and passes on what it says.

    `on_event` is called in that thread and should return soon; what it raises is logged. Nothing
    may depend on an event: a socket that is frozen or stolen costs latency and no truth.

    **Use a client id of one's own.** Connecting with another client's takes its socket away.
    """

    def __init__(
        self,
        address: ServerAddress,
        client_id: str,
        on_event: Callable[[SocketEvent], None],
        *,
        timing: SocketTiming | None = None,
        max_message_bytes: int = 8 * 2**20,
    ) -> None:
        self.address = address
        self.client_id = client_id
        #: Messages that were none of ComfyUI's.
        self.garbage = 0
        self._on_event = on_event
        self._timing = timing or SocketTiming()
        self._max_message_bytes = max_message_bytes
        self._listening = Listening(self._timing.gap_s)
        self._announced: bool | None = None
        self._channel: Channel | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"comfy-socket-{address.name}", daemon=True
        )

    @property
    def listening_since(self) -> float | None:
        """Monotonic seconds since when its events have been reaching us; None: they are not.

        It survives the replacement of a silent connection, and gaps of a few seconds.
        """
        return self._listening.since(time.monotonic())

    def start(self) -> None:
        """Begin to listen; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, within 2 s. No event comes after that."""
        self._stopping.set()
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return
        for end in (Channel.goodbye, Channel.cut):
            if (channel := self._channel) is not None:
                end(channel)
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        timing = self._timing
        retrying = Retrying(
            wait=wait_exponential(multiplier=timing.first_wait_s, max=timing.longest_wait_s)
            + wait_random(0, timing.first_wait_s),
            retry=retry_if_exception_type(Hangup),
            stop=stop_when_event_set(self._stopping),
            sleep=sleep_using_event(self._stopping),
        )
        while not self._stopping.is_set():
            try:
                with suppress(RetryError):
                    retrying(self._listen_once)
            except Exception:  # Whatever it is, a thread that ends would listen no more.
                _log.exception("the websocket failed", server=self.address.name)
                self._stopping.wait(timing.longest_wait_s)

    def _listen_once(self) -> None:
        """One connection, from its beginning to its end. Raises where another needs a wait."""
        began = time.monotonic()
        try:
            with closing(self._new_channel()) as channel:
                self._open(channel)
                self._hear_until_silence(channel)
        except Hangup as error:
            self._announce(Disconnected(str(error)))
            if time.monotonic() - began < self._timing.steady_s:
                raise
        finally:
            self._channel = None

    def _new_channel(self) -> Channel:
        self._channel = Channel(
            self.address, self.client_id, max_message_bytes=self._max_message_bytes
        )
        return self._channel

    def _open(self, channel: Channel) -> None:
        """Connect, and hear the `status` that proves that the server sends to us."""
        until = time.monotonic() + self._timing.first_status_s
        channel.open(self._timing.first_status_s)
        while True:
            try:
                heard = self._hear(channel, max(until - time.monotonic(), 0.0))
            except Silence as error:
                raise Hangup("the server is connected and sends no status") from error
            first = next((event for event in heard if isinstance(event, StatusHeard)), None)
            if first is not None:
                break
        self._listening.begin(time.monotonic(), first.queue_remaining)
        self._announce(Connected())
        self._pass_on(first)

    def _hear_until_silence(self, channel: Channel) -> None:
        rate = Rate(self._timing.most_per_second)
        try:
            while not self._stopping.is_set():
                rate.note(time.monotonic())
                for event in self._hear(channel, self._timing.silence_s):
                    if isinstance(event, StatusHeard):
                        self._listening.heard(event.queue_remaining)
                    self._pass_on(event)
        except Silence:
            _log.debug("replacing a silent websocket", server=self.address.name)
        except Flood:
            channel.cut()  # a polite goodbye would read on
            raise
        finally:
            self._listening.end(time.monotonic())

    def _hear(self, channel: Channel, patience_s: float) -> tuple[SocketEvent, ...]:
        message = channel.hear(patience_s)
        try:
            return () if message is None else events_of(message)
        except Misshapen as problem:
            self.garbage += 1
            _log.debug("ignored a message", server=self.address.name, problem=str(problem))
            return ()

    def _announce(self, event: Connected | Disconnected) -> None:
        """Tell of a change only: replacing a silent connection is none."""
        connected = isinstance(event, Connected)
        if connected is not self._announced:
            self._announced = connected
            self._pass_on(event)

    def _pass_on(self, event: SocketEvent) -> None:
        if self._stopping.is_set():
            return
        try:
            self._on_event(event)
        except Exception:
            _log.exception("a listener failed", server=self.address.name, heard=repr(event))
