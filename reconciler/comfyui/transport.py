"""Asking one server one question: bounded in time and size, and every failure told apart."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import IncompleteRead
from typing import Any

import requests
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.line import Session
from reconciler.errors import ServerAnswer, ServerRefused, ServerTimeout

_CHUNK_BYTES = 64 * 1024
#: What an answer's values take of the bytes that are allowed: in memory each takes far more than
#: the three bytes in which it can be said.
_BYTES_PER_VALUE = 8
_EXCERPT_CHARS = 160
_ADVICE = {
    401: "set the server's token or headers",
    403: "set the server's token or headers",
    404: "does its url lead to ComfyUI itself, with the path that a proxy may add?",
}


class NoSuchRoute(ServerAnswer):
    """The server answered 404: this version, or whatever answers there, lacks the route."""


class NotThere(NoSuchRoute):
    """An empty 404: a file is not there; or a route, which ComfyUI then takes for a file of its
    page. (Proxies, and a ComfyUI without a page, say something.)"""


class NoContent(ServerAnswer):
    """The route is there, and has nothing to give: 204."""


class Transport:
    """HTTP to one server, one request at a time; safe to share between threads.

    Raises `ServerRefused`, `ServerTimeout` or `ServerAnswer`, never anything else.
    """

    def __init__(
        self,
        address: ServerAddress,
        connect_timeout_s: float,
        timeout_s: float,
        max_answer_bytes: int,
    ) -> None:
        self.address = address
        self._timeouts = (min(connect_timeout_s, timeout_s), timeout_s)
        self._max_bytes = max_answer_bytes
        self._session = Session(address)
        self._lock = threading.Lock()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON that a GET answers with."""
        return self._json(f"GET {path}", self._request("GET", path, params=query))

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """POST a JSON body. Nothing is made of the answer but its status."""
        self._request("POST", path, json=body)

    @contextmanager
    def streamed(
        self, path: str, query: Mapping[str, str], limit_s: float
    ) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """A GET whose body may be large: its headers, and its bytes as they come.

        The server may be silent for the usual time-out; all together may take `limit_s` seconds.
        A connection whose body was not read to the end is closed.
        """
        what = f"GET {path}"
        with self._lock, self._told_apart(what, False, limit_s):
            answer = self._session.request(
                "GET",
                self.address.base + path,
                params=dict(query),
                timeout=self._timeouts,
                stream=True,
            )
            with closing(answer):
                if answer.status_code != requests.codes.ok:
                    raise self._refusal(what, answer, self._body(what, answer))
                yield answer.headers, answer.iter_content(_CHUNK_BYTES)

    def cut(self) -> None:
        """Close the connection, and with it the request that another thread waits for."""
        self._session.close()

    def close(self) -> None:
        """Close the connection. A request in another thread ends first."""
        with self._lock:
            self._session.close()

    def misshapen(self, what: str, problem: object) -> ServerAnswer:
        """The error for an answer that is JSON and not what was asked for."""
        return ServerAnswer(
            f"{self.address} gave an answer to {what} that is not ComfyUI's: {problem}. "
            "Is that address ComfyUI's own, and is its version a supported one?"
        )

    def _request(self, method: str, path: str, **options: Any) -> bytes:
        with self._lock:
            try:
                return self._exchange(method, path, method == "GET", **options)
            except _StaleConnection:
                return self._exchange(method, path, False, **options)

    def _exchange(self, method: str, path: str, repeatable: bool, **options: Any) -> bytes:
        what = f"{method} {path}"
        with self._told_apart(what, repeatable):
            answer = self._session.request(
                method,
                self.address.base + path,
                timeout=self._timeouts,
                stream=True,
                **options,
            )
            with closing(answer):
                body = self._body(what, answer)
        if answer.status_code != requests.codes.ok:
            raise self._refusal(what, answer, body)
        return body

    @contextmanager
    def _told_apart(
        self, what: str, repeatable: bool, limit_s: float | None = None
    ) -> Iterator[None]:
        """Turn everything that can go wrong on the way into one of our three errors."""
        adapter = self._session.adapter
        with adapter.deadline(limit_s or self._timeouts[1]) as deadline:
            try:
                yield
            except (requests.Timeout, TimeoutError) as error:
                raise self._timeout(what) from error
            except (requests.RequestException, HTTPError, OSError, ValueError) as error:
                if deadline.passed or _is_by(error, TimeoutError):
                    raise self._timeout(what) from error
                if repeatable and not adapter.connected_anew and _was_hung_up(error):
                    raise _StaleConnection from error
                raise self._failure(what, error) from error
        if deadline.passed:  # A body without a length ends as if it were whole when it is cut.
            raise self._timeout(what)

    def _body(self, what: str, answer: requests.Response) -> bytes:
        taken = bytearray()
        for chunk in answer.iter_content(_CHUNK_BYTES):
            taken += chunk
            if len(taken) > self._max_bytes:
                raise _TooLong(
                    f"{self.address} answered {what} with more than {self._max_bytes} bytes. "
                    "If its queue really is that long, raise max_answer_bytes"
                )
        return bytes(taken)

    def _json(self, what: str, body: bytes) -> Any:
        if (
            sum(body.count(sign) for sign in (b",", b"[", b"{")) * _BYTES_PER_VALUE
            > self._max_bytes
        ):
            raise ServerAnswer(
                f"{self.address} answered {what} with more values than any queue has. "
                "If its queue really is that long, raise max_answer_bytes"
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ServerAnswer(
                f"{self.address} answered {what} with something else than JSON: "
                f"{excerpt(body)}. Is that address ComfyUI's own?"
            ) from error

    def _refusal(self, what: str, answer: requests.Response, body: bytes) -> ServerAnswer:
        status = answer.status_code
        if answer.is_redirect:
            target = answer.headers.get("Location", "")[:_EXCERPT_CHARS]
            advice = f"it redirects to {target!r}: if that is ComfyUI, give it as the server's url"
        elif status >= 500:
            advice = "the log of ComfyUI, or of the proxy before it, says why"
        else:
            advice = _ADVICE.get(status, "is that address ComfyUI's own?")
        kind = ServerAnswer
        if status == requests.codes.not_found:
            kind = NoSuchRoute if body else NotThere
        elif status == requests.codes.no_content:
            kind = NoContent
        return kind(
            f"{self.address} answered {what} with status {status} instead of 200: "
            f"{excerpt(body)}; {advice}"
        )

    def _timeout(self, what: str) -> ServerTimeout:
        return ServerTimeout(
            f"{self.address} did not answer {what} within {self._timeouts[1]:g} s "
            f"({self._timeouts[0]:g} s to connect). While a node computes that is normal; "
            "if it lasts, look at ComfyUI's log or raise timeout_s"
        )

    def _failure(self, what: str, error: Exception) -> Exception:
        if isinstance(error, _TooLong):
            return ServerAnswer(str(error))
        if _is_by(error, IncompleteRead):
            return ServerAnswer(
                f"{self.address} broke off its answer to {what}: {words(error)}. "
                "If it was not restarted just then, its log says why"
            )
        if _is_by(error, ProtocolError, DecodeError) and not _was_hung_up(error):
            return ServerAnswer(
                f"{self.address} answered {what} with something else than HTTP: {words(error)}. "
                "Does the server's url name ComfyUI's own port?"
            )
        advice = "Does ComfyUI run there, and is the server's url right?"
        if _is_by(error, ssl.SSLError):
            advice = "Does it speak https, and is its authority in the server's tls_ca?"
        return ServerRefused(
            f"{self.address} cannot be reached for {what}: {words(error)}. {advice}"
        )


class _StaleConnection(Exception):
    """A connection kept alive had been closed by the server; the question was never heard."""


class _TooLong(ValueError):
    """The answer has more bytes than allowed."""


def excerpt(body: bytes) -> str:
    """The beginning of an answer, escaped: it is foreign text."""
    start = body[: 4 * _EXCERPT_CHARS].decode("utf-8", "replace").strip()[:_EXCERPT_CHARS]
    return repr(start) if start else "an empty answer"


def words(error: BaseException) -> str:
    """What the innermost cause of an error says, bounded."""
    root = list(_chain(error))[-1]
    return (str(root).strip() or type(root).__name__)[:_EXCERPT_CHARS]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    inner: BaseException | None = error
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        inner = inner.__cause__ or inner.__context__


def _is_by(error: BaseException, *causes: type[BaseException]) -> bool:
    return any(isinstance(inner, causes) for inner in _chain(error))


def _was_hung_up(error: BaseException) -> bool:
    return _is_by(error, ConnectionError)
