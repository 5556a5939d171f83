"""Where people sign in with a token, and out."""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from reconciler.web.pages.rendering import render
from reconciler.web.security.access import Way, caller_of
from reconciler.web.security.identify import Doorkeeper, WrongToken
from reconciler.web.security.sessions import (
    LOGIN,
    LOGOUT,
    drop_session,
    make_session,
    set_session,
)

router = APIRouter(include_in_schema=False)

_MOST_CHARS = 2000
Next = Annotated[str, Query(max_length=_MOST_CHARS)]


@router.get(LOGIN)
def ask_for_token(request: Request, next: Next = "/") -> Response:
    """The form. Who is signed in already goes on.

    A link on another site brings no cookie along (SameSite=Strict): loaded once more, by ourselves,
    the page gets it.
    """
    caller = caller_of(request)
    if caller is not None and caller.way is not Way.BEARER:
        return RedirectResponse(_own_path(next), 303)
    page = _form(request, next)
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        page.headers["Refresh"] = "0"
    return page


@router.post(LOGIN)
async def sign_in(
    request: Request,
    token: Annotated[str, Form(max_length=_MOST_CHARS)] = "",
    next: Annotated[str, Form(max_length=_MOST_CHARS)] = "/",
) -> Response:
    """With a token: on to the page that was asked for."""
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    try:
        known = await doorkeeper.check(token, request.client.host if request.client else "")
    except WrongToken as wrong:
        if wrong.wait_s is None:
            return _form(request, next, str(wrong), 403)
        page = _form(request, next, f"Too many wrong tokens: try in {wrong.wait_s} s.", 429)
        page.headers["Retry-After"] = str(wrong.wait_s)
        return page
    response = RedirectResponse(_own_path(next), 303)
    session = make_session(doorkeeper.signer, known.digest, time.time())
    set_session(response, session, is_https=request.url.scheme == "https")
    return response


@router.post(LOGOUT)
def sign_out() -> Response:
    """The browser forgets; the token stays valid elsewhere."""
    response = RedirectResponse(LOGIN, 303)
    drop_session(response)
    return response


def _form(request: Request, next: str, error: str = "", status: int = 200) -> Response:
    return render(request, "login.html", status=status, next=_own_path(next), error=error)


def _own_path(path: str) -> str:
    """A path of ours; the overview, where it would lead elsewhere."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path
    is_ours = is_ours and path.isprintable() and not parts.scheme and not parts.netloc
    return path if is_ours else "/"
