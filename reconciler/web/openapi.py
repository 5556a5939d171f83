"""The description of the REST interface: what FastAPI knows, and the errors of each endpoint."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from reconciler.web.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
What every job is doing, how long it will still take, and what came out.

Errors are problems in JSON (RFC 9457). Times are ISO 8601 in UTC; durations in seconds (`_s`);
sizes in bytes (`_bytes`). Lists come in pages: ask again with `cursor` set to `next`, until that is
null.
"""
#: The errors that every endpoint may answer with, and those of endpoints with parameters.
_ALWAYS, _WITH_PATH, _WITH_PARAMETERS = (401, 403, 429, 503), (404,), (422,)
_DETAILS = {
    401: "A token is needed.",
    403: "This token may only read: changes need one of an operator.",
    404: "There is no job '17'.",
    422: "query limit: Input should be less than or equal to 500",
    429: "Too many requests: try again in a moment.",
    503: "database postgresql://app:***@127.0.0.1:5432/app: Connection refused.",
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "about:blank: the status tells the kind."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong this time, in a sentence."},
        "errors": {
            "type": "array",
            "description": "The parameters that are wrong.",
            "items": {
                "type": "object",
                "required": ["in", "name", "detail"],
                "properties": {
                    "in": {"type": "string"},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def describe(app: FastAPI) -> None:
    """Has the application describe itself; the description is made when it is asked for first."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status in _statuses(operation):
                operation["responses"][str(status)] = _response(status)
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    return schema


def _statuses(operation: dict[str, Any]) -> list[int]:
    parameters = operation.get("parameters", ())
    has_path = any(parameter["in"] == "path" for parameter in parameters)
    has_any = bool(parameters) or "requestBody" in operation
    return [*_ALWAYS, *(_WITH_PATH if has_path else ()), *(_WITH_PARAMETERS if has_any else ())]


def _response(status: int) -> dict[str, Any]:
    problem = Problem(status, _DETAILS[status])
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": problem.as_json(),
    }
    return {"description": problem.title, "content": {MEDIA_TYPE: content}}
