"""Stands before the whole application: whatever an endpoint forgets, nobody gets past here.

Names and origins are looked at first, then who asks and how often, then what is sent. Streams pass
through unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from starlette.datastructures import MutableHeaders

from reconciler.errors import DatabaseError
from reconciler.settings.web import WebSettings
from reconciler.web.ending import App, Message, Receive, Scope, Send
from reconciler.web.problems import of_database
from reconciler.web.security.access import CALLER, Caller, Role, Way
from reconciler.web.security.bodies import (
    Gone,
    TooLarge,
    TooSlow,
    form_field,
    has_body,
    read_body,
    replayed,
)
from reconciler.web.security.csrf import FIELD, HEADER, is_token
from reconciler.web.security.headers import secure
from reconciler.web.security.hosts import AllowedHosts, split_host
from reconciler.web.security.identify import Doorkeeper, WrongToken
from reconciler.web.security.lasting import run_while_valid
from reconciler.web.security.origin import foreign
from reconciler.web.security.rate import RateLimit, client_key
from reconciler.web.security.refusing import Refused, heard, refuse
from reconciler.web.security.sessions import LOGIN, LOGOUT

#: What everybody may ask for: nothing of it tells of a job.
_PUBLIC = ("/static/",)
_PUBLIC_PATHS = frozenset({"/livez", "/readyz", "/favicon.ico", LOGIN, LOGOUT})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: What share of a minute's requests may come at once.
_AT_ONCE = 1 / 6


class Guard:
    """Pure ASGI, around the application."""

    def __init__(self, app: App, settings: WebSettings, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._hosts = AllowedHosts(settings.host, settings.allowed_hosts)
        self._rate = _rate_of(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        send = _securing(send)
        try:
            receive = await self._admit(scope, receive)
        except Refused as refused:
            await refuse(scope, receive, send, refused.problem)
        except DatabaseError as error:
            await refuse(scope, receive, send, of_database(error))
        except Gone:
            return
        else:
            await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller: Caller | None = scope[CALLER]
        if caller is None or caller.digest is None:
            await self._app(scope, receive, send)
            return
        is_valid = partial(self._doorkeeper.still_knows, caller)
        await run_while_valid(self._app, scope, receive, send, is_valid)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Raises Refused, DatabaseError and Gone."""
        headers = heard(scope)
        is_socket = scope["type"] == "websocket"
        is_change = is_socket or scope["method"] not in _READS
        self._check_names(scope, headers, is_change=is_change)
        self._check_rate(scope)
        caller = scope[CALLER] = await self._identify(scope, headers)
        if caller is None and not _is_public(scope["path"]):
            raise Refused(
                401,
                "A token is needed: `reconciler token create` makes one.",
                WWW_Authenticate="Bearer",
            )
        if is_socket:
            return receive
        body = await self._body(receive, headers) if has_body(headers) else b""
        if is_change:
            self._check_change(scope, headers, body, caller)
        return replayed(body, receive) if has_body(headers) else receive

    def _check_names(self, scope: Scope, headers: Mapping[str, str], *, is_change: bool) -> None:
        named = split_host(headers.get("host", ""), scope["scheme"])
        connected_to = (scope.get("server") or (None,))[0]
        if named is None or not self._hosts.allows(named[0], connected_to):
            raise Refused(
                421,
                "This host is not asked for by this name: name it in `web.allowed_hosts`, or use"
                " one that is there.",
            )
        reason = foreign(headers, scope["scheme"], is_change=is_change)
        if reason is not None:
            raise Refused(403, reason)

    def _check_rate(self, scope: Scope) -> None:
        wait_s = None if self._rate is None else self._rate.take(client_key(client_of(scope)))
        if wait_s is not None:
            raise Refused(429, "Too many requests: ask again later.", Retry_After=str(wait_s))

    async def _identify(self, scope: Scope, headers: Mapping[str, str]) -> Caller | None:
        try:
            return await self._doorkeeper.identify(headers, client_of(scope))
        except WrongToken as wrong:
            if wrong.wait_s is not None:
                words = "Too many wrong tokens: try later."
                raise Refused(429, words, Retry_After=str(wrong.wait_s)) from None
            challenge = 'Bearer error="invalid_token"'
            raise Refused(401, str(wrong), WWW_Authenticate=challenge) from None

    async def _body(self, receive: Receive, headers: Mapping[str, str]) -> bytes:
        limit_bytes = self._settings.max_body_bytes
        try:
            return await read_body(receive, headers, limit_bytes)
        except TooLarge:
            raise Refused(413, f"More than {limit_bytes} bytes are not taken.") from None
        except TooSlow:
            raise Refused(408, "The request took too long to arrive.") from None

    def _check_change(
        self, scope: Scope, headers: Mapping[str, str], body: bytes, caller: Caller | None
    ) -> None:
        if caller is not None and caller.way is Way.BEARER:
            self._check_role(scope, caller)
            return
        token = headers.get(HEADER) or form_field(headers, body, FIELD) or ""
        if not is_token(self._doorkeeper.signer, token, caller, time.time()):
            raise Refused(
                403,
                "A change needs the token of a page (X-CSRF-Token; load the page again if it was"
                " open for long), or `Authorization: Bearer` with a token of `reconciler token"
                " create`.",
            )
        self._check_role(scope, caller)

    def _check_role(self, scope: Scope, caller: Caller | None) -> None:
        is_session = scope["path"] in (LOGIN, LOGOUT)
        if not is_session and (caller is None or caller.role is not Role.OPERATOR):
            raise Refused(403, "This token may only read: changes need one of an operator.")


def _is_public(path: str) -> bool:
    return path in _PUBLIC_PATHS or path.startswith(_PUBLIC)


def _rate_of(per_minute: int | None) -> RateLimit | None:
    if per_minute is None:
        return None
    return RateLimit(per_minute / 60, max(1, per_minute * _AT_ONCE))


def client_of(scope: Scope) -> str:
    """The address of who asks."""
    address: str = (scope.get("client") or ("unknown",))[0]
    return address


def _securing(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            secure(MutableHeaders(scope=message))
        await send(message)

    return secured
