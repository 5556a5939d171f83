"""The web interface: whether it can be where it should, and who gets in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import requests

from reconciler.doctor.finding import Finding, failed, failed_by, ok, warning
from reconciler.errors import DatabaseError, SettingsError
from reconciler.settings import Settings
from reconciler.settings.web import WebSettings
from reconciler.store.existing import open_existing
from reconciler.store.tokens import TokenStore
from reconciler.web.listening import listen

_WHAT = "web interface"
_TIMEOUT_S = 3.0


def check_web(settings: Settings) -> Iterator[Finding]:
    """Its address, and the tokens where they are needed."""
    web = settings.web
    if not web.enabled:
        yield ok(_WHAT, "switched off (web.enabled)")
        return
    yield _address(web)
    if web.needs_token:
        yield _tokens(settings)
    if not web.is_local:
        yield _names(web)


def _address(web: WebSettings) -> Finding:
    where = f"{web.host}, port {web.port}"
    try:
        listen(web.host, 0).close()
    except SettingsError as error:
        return failed_by(_WHAT, error, "name an address of this machine in web.host")
    if web.port == 0:
        return ok(_WHAT, f"{web.host}, at any free port: the log of `reconciler run` says which")
    served = _served(web)
    if served is None:
        return ok(_WHAT, f"{where}: nothing listens there now")
    if served:
        return ok(_WHAT, f"{where}: a reconciler serves it")
    return warning(
        _WHAT,
        f"{where}: something else listens there",
        "the next free port is used, which the log of `reconciler run` tells; or name another in"
        " web.port",
    )


def _served(web: WebSettings) -> bool | None:
    """True where one of ours answers, False where something else does; None: nothing does."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(web.host, web.host)  # noqa: S104
    try:
        socket.create_connection((host, web.port), _TIMEOUT_S).close()
    except OSError:
        return None
    name = f"[{host}]" if ":" in host else host
    try:
        with requests.get(
            f"http://{name}:{web.port}/livez", timeout=_TIMEOUT_S, stream=True
        ) as answer:
            return next(answer.iter_content(100), b"").strip() in (b"ok", b"not ok")
    except requests.RequestException:
        return False


def _tokens(settings: Settings) -> Finding:
    try:
        with closing(open_existing(settings)) as store:
            tokens = TokenStore(store.connection).all()
    except DatabaseError as error:
        return failed_by(f"{_WHAT}, tokens", error, "see what is said of the database")
    valid = sum(token.is_valid(token.read_at) for token in tokens)
    if valid == 0:
        return failed(
            f"{_WHAT}, tokens",
            "one is required, and there is no valid one: it does not start",
            "`reconciler token create NAME`, or set web.host to 127.0.0.1 and web.require_token to"
            " false",
        )
    return ok(f"{_WHAT}, tokens", f"required; {valid} of {len(tokens)} are valid")


def _names(web: WebSettings) -> Finding:
    names = ", ".join(web.allowed_hosts)
    if not names:
        return warning(
            f"{_WHAT}, names",
            "others reach it by the address alone, without https: tokens can be read on the way",
            "name its host in web.allowed_hosts, and put https before it where the network is not"
            " trusted (docs/web.md)",
        )
    return ok(f"{_WHAT}, names", f"browsers may call it {names}")
