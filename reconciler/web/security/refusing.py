"""What a request that goes no further is told."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reconciler.web.ending import Receive, Scope, Send
from reconciler.web.problems import Problem, answer, problem_json
from reconciler.web.security.sessions import LOGIN

#: Headers on which something rests.
_ONCE = ("host", "origin", "authorization", "content-length", "sec-fetch-site")


class Refused(Exception):
    """This request goes no further."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.problem = Problem(status, detail, headers=named)


def heard(scope: Scope) -> Mapping[str, str]:
    """The headers of a request, by their names in small letters. Raises Refused where one that
    counts comes twice: others may take the other for the right one."""
    headers = Headers(scope=scope)
    for name in _ONCE:
        if len(headers.getlist(name)) > 1:
            raise Refused(400, f"There is more than one header {name}.")
    joined = {name: ", ".join(headers.getlist(name)) for name in headers}
    return joined | {"cookie": "; ".join(headers.getlist("cookie"))}


async def refuse(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answers with the problem. Who wants a page and is not known is led to where one signs in."""
    if scope["type"] == "websocket":
        await _refuse_socket(scope, receive, send, problem)
        return
    request = Request(scope, receive)
    await _shown(request, problem)(scope, receive, send)


def _shown(request: Request, problem: Problem) -> Response:
    wants_page = "text/html" in request.headers.get("accept", "")
    if problem.status == 401 and request.method == "GET" and wants_page:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOGIN}?next={quote(path, safe='')}", 303)
    return answer(request, problem)


async def _refuse_socket(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    if "websocket.http.response" in scope.get("extensions", {}):
        await problem_json(problem)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": problem.title})
