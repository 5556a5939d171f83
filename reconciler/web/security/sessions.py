"""Browsers that signed in: a cookie that stands for a token and is not the token.

Cookies go to every port of a host, so other programs there see this one: it ends by itself, and
with its token.
"""

from __future__ import annotations

from starlette.requests import cookie_parser
from starlette.responses import Response

from reconciler.web.security.keys import Signer

#: Where one signs in and out.
LOGIN, LOGOUT = "/login", "/logout"
COOKIE = "reconciler_session"
#: After so long one has to sign in again, in seconds.
VALID_S = 7 * 86_400


def make_session(signer: Signer, digest: bytes, now: float) -> str:
    """The cookie's value for the token with this digest. `now`: seconds since the epoch."""
    known, ends_at = digest.hex(), f"{int(now) + VALID_S:x}"
    return f"{known}.{ends_at}.{signer.sign('session', known, ends_at)}"


def digest_of_session(signer: Signer, value: str, now: float) -> bytes | None:
    """The digest of the token that a cookie stands for; None if it stands for none."""
    known, _, rest = value.partition(".")
    ends_at, _, signature = rest.partition(".")
    if not signer.is_signed(signature, "session", known, ends_at):
        return None
    return bytes.fromhex(known) if now < int(ends_at, 16) else None


def session_in(cookies: str) -> str | None:
    """Our cookie among those of a header."""
    return cookie_parser(cookies).get(COOKIE)


def set_session(response: Response, value: str, *, is_https: bool) -> None:
    """Signs the browser in."""
    response.set_cookie(
        COOKIE, value, max_age=VALID_S, httponly=True, samesite="strict", secure=is_https
    )


def drop_session(response: Response) -> None:
    """Signs it out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
