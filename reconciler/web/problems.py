"""What went wrong, as programs are told it: application/problem+json (RFC 9457).

Whoever wants an endpoint to refuse raises `HTTPException(status, "why, in a sentence")`, or
`BadParameter` where one is wrong that its type allows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import (
    RequestValidationError,
    ValidationException,
    WebSocketRequestValidationError,
)
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from reconciler.errors import DatabaseError
from reconciler.store.connection import READ_ONLY
from reconciler.store.cursors import BadCursor
from reconciler.store.pages import NoSuchSort

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
#: When to try again where the database is away, in seconds.
RETRY_S = 5
#: Of what is wrong with a request so many things are told, and of each so many characters.
MOST_ERRORS, MOST_CHARS = 20, 300


@dataclass(frozen=True, slots=True)
class Problem:
    """An error answer."""

    status: int
    #: What is wrong this time, in a sentence.
    detail: str
    #: The parameters that are wrong: where each is, its name, and what is wrong with it.
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What kind of problem it is."""
        return phrase(self.status)

    def as_json(self) -> dict[str, Any]:
        """As RFC 9457 has it: with `about:blank` the status alone tells the kind."""
        told = {"type": "about:blank", "title": self.title, "status": self.status}
        return told | {"detail": self.detail} | ({"errors": self.errors} if self.errors else {})


#: Makes a page of a problem, or None where whoever asks wants none.
ProblemPage = Callable[[Request, Problem], Response | None]


class BadParameter(Exception):
    """A parameter of the query is well-formed and makes no sense."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name


def handle_problems(app: FastAPI) -> None:
    """All errors of the application become problems. Pages are those of `app.state.problem_page`,
    a `ProblemPage`, where it is set."""
    handlers: Mapping[type[Exception], Callable[[Request, Any], Response]] = {
        HTTPException: lambda r, error: answer(r, _of_http(error)),
        RequestValidationError: lambda r, error: answer(r, _of_validation(error)),
        WebSocketRequestValidationError: lambda r, error: answer(r, _of_validation(error)),
        BadParameter: lambda r, error: answer(r, _of_parameter(error.name, error)),
        BadCursor: lambda r, error: answer(r, _of_parameter("cursor", error)),
        NoSuchSort: lambda r, error: answer(r, _of_parameter("sort", error)),
        DatabaseError: lambda r, error: answer(r, of_database(error)),
        Exception: lambda r, _: answer(r, Problem(500, "A defect: its log tells more.")),
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def answer(asked: HTTPConnection, problem: Problem) -> Response:
    """The problem as a page, where one is wanted, or else as JSON: so for whoever wanted a
    websocket, which is no request and has no method."""
    page: ProblemPage | None = getattr(asked.app.state, "problem_page", None)
    shown = page(asked, problem) if page is not None and isinstance(asked, Request) else None
    return problem_json(problem) if shown is None else shown


def problem_json(problem: Problem) -> Response:
    """The problem as JSON."""
    text = json.dumps(problem.as_json(), ensure_ascii=True)
    return Response(text, problem.status, dict(problem.headers), MEDIA_TYPE)


def of_database(error: DatabaseError) -> Problem:
    """The database is away, too slow, or not as it has to be: what the store says of it has no
    password in it. Where this database only lets us read that is no fault, and no time mends it."""
    if isinstance(error.__cause__, READ_ONLY):
        words = "The web interface may only read this database: ask one that may change it."
        return Problem(403, f"{words} {error}"[: 2 * MOST_CHARS])
    log.warning("a request met a database that does not answer", error=str(error))
    return Problem(503, str(error)[: 2 * MOST_CHARS], headers={"Retry-After": str(RETRY_S)})


def phrase(status: int) -> str:
    """The words of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _of_http(error: HTTPException) -> Problem:
    headers = dict(error.headers or {})
    is_unknown_path = error.status_code == 404 and error.detail == phrase(404)
    detail = "There is nothing at this path." if is_unknown_path else str(error.detail)
    return Problem(error.status_code, detail, headers=headers)


def _of_validation(error: ValidationException) -> Problem:
    errors = [_told(one) for one in error.errors()[:MOST_ERRORS]]
    return Problem(422, "; ".join(_sentence(one) for one in errors), errors)


def _of_parameter(name: str, error: Exception) -> Problem:
    told = {"in": "query", "name": name, "detail": str(error)[:MOST_CHARS]}
    return Problem(422, _sentence(told), [told])


def _told(error: Mapping[str, Any]) -> dict[str, str]:
    place, *names = [str(part) for part in error["loc"]] or ["body"]
    detail = str(error["msg"])[:MOST_CHARS]
    return {"in": place, "name": ".".join(names)[:MOST_CHARS], "detail": detail}


def _sentence(error: Mapping[str, str]) -> str:
    return f"{error['in']} {error['name']}: {error['detail']}".replace(" :", ":")
