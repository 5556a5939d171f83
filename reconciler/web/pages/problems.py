"""What people see where a page cannot be shown."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from reconciler.web.pages.rendering import render
from reconciler.web.problems import Problem

#: Paths that programs ask for: they get JSON.
_FOR_PROGRAMS = ("/api/", "/static/", "/metrics", "/livez", "/readyz", "/openapi.json")


def problem_page(request: Request, problem: Problem) -> Response | None:
    """The problem in words, with what to do about it; None for programs."""
    wants_page = "text/html" in request.headers.get("accept", "") or request.method == "GET"
    if request.url.path.startswith(_FOR_PROGRAMS) or not wants_page:
        return None
    page = render(request, "problem.html", status=problem.status, problem=problem)
    page.headers.update(problem.headers)
    return page
