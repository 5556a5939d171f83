"""Proof that a form or script of our own pages asks: no page of another site can read it.

Whoever sends a token in `Authorization` needs none: no browser does that by itself. Pages have it
from `csrf_token(request)`, in a hidden field `csrf_token` or for scripts in a meta element, and
scripts send it as the header `X-CSRF-Token`.
"""

from __future__ import annotations

import time

from starlette.requests import HTTPConnection

from reconciler.web.security.access import Caller, caller_of
from reconciler.web.security.keys import Signer

FIELD, HEADER = "csrf_token", "x-csrf-token"
#: A page that is open for longer has to be loaded again, in seconds.
VALID_S = 7 * 86_400


def csrf_token(connection: HTTPConnection) -> str:
    """The token for a page that is made for this request."""
    signer: Signer = connection.app.state.signer
    return make_token(signer, caller_of(connection), time.time())


def make_token(signer: Signer, caller: Caller | None, now: float) -> str:
    """A token for whoever asks. `now`: seconds since the epoch."""
    made_at = f"{int(now):x}"
    return f"{made_at}.{signer.sign('csrf', _who(caller), made_at)}"


def is_token(signer: Signer, token: str, caller: Caller | None, now: float) -> bool:
    """True for a token that was made for the same, not too long ago."""
    made_at, _, signature = token.partition(".")
    if not signer.is_signed(signature, "csrf", _who(caller), made_at):
        return False
    return 0 <= now - int(made_at, 16) + 1 < VALID_S


def _who(caller: Caller | None) -> str:
    return "" if caller is None else f"{caller.way}:{caller.name}"
