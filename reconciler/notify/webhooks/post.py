"""One POST: to an address that was checked, within a time, with no more read than is shown.

No redirect is followed, no proxy of the environment asked, no connection kept.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from reconciler.comfyui.deadline import Deadline, hang_up
from reconciler.notify.webhooks.addresses import AddressRefused, Resolver, addresses_of, resolve
from reconciler.outputs.text import printable

#: Of an answer so much is read, and so much kept.
READ_BYTES, SHOWN_CHARS = 2048, 300


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages are posted."""

    url: str
    allow_private: bool = False
    #: For https; None for http.
    tls: ssl.SSLContext | None = None
    resolver: Resolver = resolve


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered; without `status` it did not."""

    took_s: float
    status: int | None = None
    #: Why there is no answer.
    error: str | None = None
    #: The beginning of the answer, escaped.
    excerpt: str | None = None
    #: The header, as it is.
    retry_after: str | None = None
    #: Where a redirect would have led.
    location: str | None = None


def post(target: Target, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer:
    """Posts a message. Never raises: whatever happens is an answer."""
    began_s = time.monotonic()
    parts = urlsplit(target.url)
    line = _Line(target, parts, timeout_s)
    deadline = Deadline(timeout_s, line.cut)
    try:
        with deadline:
            answer = line.exchange(headers, body)
    except AddressRefused as refused:
        return Answer(time.monotonic() - began_s, error=f"refused to connect: {refused}")
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = deadline.passed or isinstance(error, TimeoutError)
        words = f"no answer within {timeout_s:g} s" if late else _words(error)
        return Answer(time.monotonic() - began_s, error=words)
    finally:
        line.close()
    return answer


class _Line(http.client.HTTPConnection):
    """A connection to one of the addresses that were checked."""

    def __init__(self, target: Target, parts: SplitResult, timeout_s: float) -> None:
        self._target, self._parts = target, parts
        self._began_s = time.monotonic()
        self._timeout_s = timeout_s
        self._cut = False
        #: What is cut: `sock` is forgotten as soon as an answer begins that is the last.
        self._plug: socket.socket | None = None
        port = parts.port or (443 if target.tls else 80)
        super().__init__(parts.hostname or "", port, timeout=timeout_s)

    def exchange(self, headers: Mapping[str, str], body: bytes) -> Answer:
        path = self._parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        host = self._parts.netloc
        self.request("POST", path, body, {"Host": host, "Connection": "close", **headers})
        with self.getresponse() as response:
            self._left_s()  # an answer that was cut in its headers looks like a whole one
            return Answer(
                time.monotonic() - self._began_s,
                response.status,
                None,
                self._excerpt(response),
                response.getheader("Retry-After"),
                response.getheader("Location"),
            )

    def connect(self) -> None:
        addresses = addresses_of(
            self.host,
            self.port,
            allow_private=self._target.allow_private,
            timeout_s=self._left_s(),
            resolver=self._target.resolver,
        )
        self.sock = self._plug = self._connected(addresses)
        if self._target.tls is not None:
            # The handshake apart: while it lasts there is a socket to cut.
            self.sock = self._plug = self._target.tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock.do_handshake()

    def cut(self) -> None:
        """Ends what another thread is waiting for."""
        self._cut = True
        hang_up(self._plug)

    def _connected(self, addresses: Sequence[str]) -> socket.socket:
        failed: OSError | None = None
        for number, address in enumerate(addresses):
            try:
                share_s = self._left_s() / (len(addresses) - number)
                line = socket.create_connection((address, self.port), share_s)
                line.settimeout(self._left_s())
                return line
            except OSError as error:
                failed = error
        raise failed or OSError("no address")

    def _left_s(self) -> float:
        left_s = self._timeout_s - (time.monotonic() - self._began_s)
        if self._cut or left_s <= 0:
            raise TimeoutError
        return left_s

    def _excerpt(self, response: http.client.HTTPResponse) -> str | None:
        """What has come of the body; the status is what counts, and is known."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            text = response.read1(READ_BYTES).decode("utf-8", "backslashreplace")
            return printable(text, SHOWN_CHARS) or None
        return None


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {printable(error.verify_message)}"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "its name does not resolve"
    if isinstance(error, http.client.HTTPException | ValueError):
        return f"what it answers is no HTTP ({type(error).__name__})"
    return f"the connection failed: {printable(error.strerror or type(error).__name__)}"  # type: ignore[attr-defined]
