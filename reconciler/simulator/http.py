"""The HTTP side: every route that a watcher or a submitter uses, once more under /api."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from aiohttp import web

from reconciler.simulator.jobs import BadQuery, find_job, list_jobs
from reconciler.simulator.life import Life
from reconciler.simulator.node_types import known_types
from reconciler.simulator.queue import SENSITIVE_KEYS
from reconciler.simulator.system import object_info, system_stats
from reconciler.simulator.validation import validate

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: As ComfyUI's default: a body may carry a large graph.
MAX_BODY_BYTES = 100 * 1024 * 1024


def build_app(life: Life) -> web.Application:
    """The web application of one life."""
    api = Api(life)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[api.delay])
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/ws", api.websocket),
        ("GET", "/prompt", api.get_prompt),
        ("POST", "/prompt", api.post_prompt),
        ("GET", "/queue", api.get_queue),
        ("POST", "/queue", api.post_queue),
        ("GET", "/history", api.get_history),
        ("GET", "/history/{prompt_id}", api.get_history_of),
        ("POST", "/history", api.post_history),
        ("POST", "/interrupt", api.post_interrupt),
        ("GET", "/system_stats", api.get_system_stats),
        ("GET", "/object_info", api.get_object_info),
        ("GET", "/object_info/{node_class}", api.get_object_info),
        ("GET", "/view", api.get_view),
        ("GET", "/simulator/truth", api.get_truth),
    ]
    for method, path, handler in routes:
        life.server.routes.route(method, path)(handler)
    for route in life.server.routes:  # the pack's are among them
        assert isinstance(route, web.RouteDef)
        app.router.add_route(route.method, route.path, route.handler, **route.kwargs)
        app.router.add_route(route.method, f"/api{route.path}", route.handler, **route.kwargs)
    if life.world.version.jobs_api:
        app.router.add_get("/api/jobs", api.get_jobs)
        app.router.add_get("/api/jobs/{prompt_id}", api.get_job)
        app.router.add_post("/api/jobs/{prompt_id}/cancel", api.post_cancel)
    app.router.add_get("/{path:.*}", api.get_page)
    return app


class Api:
    """The handlers. A body that is no JSON makes most of them answer 500, as in ComfyUI."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._world = life.world
        self._server = life.server
        self._queue = life.server.prompt_queue

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """GET /ws."""
        return await self._server.hub.serve(request, self._life.greet)

    async def get_prompt(self, request: web.Request) -> web.Response:
        """GET /prompt: how many prompts remain."""
        return web.json_response(self._server.get_queue_info())

    async def post_prompt(self, request: web.Request) -> web.Response:
        """POST /prompt: validate and queue."""
        body = self._server.trigger_on_prompt(await request.json())
        if not isinstance(body, dict):
            body = {}
        number = self._number(body)
        if "prompt" not in body:
            return _refuse("no_prompt", "No prompt provided", "No prompt provided")
        prompt_id = self._prompt_id(body)
        if prompt_id is None:
            details = (
                "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
                "omit it to let the server generate one"
            )
            return _refuse("invalid_prompt_id", "prompt_id must be a valid UUID", details)
        known, targets = known_types(pack=self._world.pack), body.get("partial_execution_targets")
        found = validate(body["prompt"], self._world.version, known, targets)
        if found.error is not None:
            answer = {"error": found.error, "node_errors": found.node_errors}
            return web.json_response(answer, status=400)
        extra_data, secrets = self._extra_data(body)
        item = (number, prompt_id, body["prompt"], extra_data, found.outputs)
        self._life.accept((*item, secrets) if self._world.version.secrets_apart else item)
        return web.json_response(
            {"prompt_id": prompt_id, "number": number, "node_errors": found.node_errors}
        )

    async def get_queue(self, request: web.Request) -> web.Response:
        """GET /queue: every graph in full, the pending ones in the heap's order."""
        running, pending = self._queue.get_current_queue_volatile()
        if self._world.version.secrets_apart:
            running, pending = ([item[:5] for item in items] for items in (running, pending))
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def post_queue(self, request: web.Request) -> web.Response:
        """POST /queue: `clear`, or `delete` a list of pending prompts."""
        body = await request.json()
        if body.get("clear"):
            self._life.remove_all()
        for prompt_id in body.get("delete", []):
            self._life.remove(prompt_id)
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        """GET /history, with `max_items` and `offset`."""
        query = request.query
        max_items = int(query["max_items"]) if "max_items" in query else None
        offset = int(query.get("offset", "-1"))
        return web.json_response(self._queue.get_history(None, max_items, offset))

    async def get_history_of(self, request: web.Request) -> web.Response:
        """GET /history/{id}: an empty object if there is no such entry."""
        return web.json_response(self._queue.get_history(request.match_info["prompt_id"]))

    async def post_history(self, request: web.Request) -> web.Response:
        """POST /history: `clear`, or `delete` a list of entries."""
        body = await request.json()
        if body.get("clear"):
            self._queue.wipe_history()
        for prompt_id in body.get("delete", []):
            self._queue.delete_history_item(prompt_id)
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        """POST /interrupt: whatever runs, or only if it is `prompt_id`. Always answers 200."""
        try:
            body = await request.json()
        except JSONDecodeError:
            body = {}
        self._life.interrupt(body.get("prompt_id"))
        return web.Response()

    async def get_jobs(self, request: web.Request) -> web.Response:
        """GET /api/jobs."""
        try:
            return web.json_response(list_jobs(self._queue, request.query))
        except BadQuery as error:
            return web.json_response({"error": str(error)}, status=400)

    async def get_job(self, request: web.Request) -> web.Response:
        """GET /api/jobs/{id}."""
        job = find_job(self._queue, request.match_info["prompt_id"])
        if job is None:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response(job)

    async def post_cancel(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{id}/cancel: out of the queue, or interrupted; false if it is neither."""
        prompt_id = request.match_info["prompt_id"]
        cancelled = self._life.remove(prompt_id) or self._life.interrupt(prompt_id)
        return web.json_response({"cancelled": cancelled})

    async def get_system_stats(self, request: web.Request) -> web.Response:
        """GET /system_stats."""
        return web.json_response(system_stats(self._world))

    async def get_object_info(self, request: web.Request) -> web.Response:
        """GET /object_info and /object_info/{class}."""
        node_class = request.match_info.get("node_class")
        return web.json_response(object_info(self._world, node_class))

    async def get_view(self, request: web.Request) -> web.StreamResponse:
        """GET /view: a file of the output directory; 403 for one outside of it."""
        name = request.query.get("filename")
        if name is None:
            return web.Response(status=404)
        if not name or name.startswith("/") or ".." in name:
            return web.Response(status=400)
        root = self._world.output_dir.resolve()
        path = (root / request.query.get("subfolder", "") / Path(name).name).resolve()
        if not path.is_relative_to(root):
            return web.Response(status=403)
        return web.FileResponse(path) if path.is_file() else web.Response(status=404)

    async def get_page(self, request: web.Request) -> web.Response:
        """ComfyUI looks among the files of its page for what it has no route for."""
        return web.Response(status=404)

    async def get_truth(self, request: web.Request) -> web.Response:
        """GET /simulator/truth: what really happened, for a demo in another process."""
        return web.json_response(self._world.truth.as_json())

    @web.middleware
    async def delay(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every answer but the truth is late, while that is wanted; the dead answer nothing."""
        if self._life.over.is_set():
            return _nobody(request)
        if self._world.answer_delay_s and "/simulator/" not in request.path:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._life.over.wait(), self._world.answer_delay_s)
                return _nobody(request)
        return await handler(request)

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = self._server.number
        self._server.number += 1
        return -number if body.get("front") else number

    def _prompt_id(self, body: dict[str, Any]) -> str | None:
        """The client's own id, or a new one; None if the version does not take it."""
        given = body.get("prompt_id")
        if not self._world.version.strict_prompt_ids:
            return str(body.get("prompt_id", uuid.uuid4()))
        return str(uuid.uuid4()) if given is None else _canonical_uuid(given)

    def _extra_data(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the prompt carries along, and the secrets among it where the version parts them."""
        extra_data: dict[str, Any] = body.get("extra_data", {})
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        if not self._world.version.secrets_apart:
            return extra_data, {}
        secrets = {key: extra_data.pop(key) for key in SENSITIVE_KEYS if key in extra_data}
        extra_data["create_time"] = int(time.time() * 1000)
        return extra_data, secrets


def _nobody(request: web.Request) -> web.Response:
    """Hang up without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _canonical_uuid(given: object) -> str | None:
    try:
        return given if isinstance(given, str) and str(uuid.UUID(given)) == given else None
    except ValueError:
        return None


def _refuse(kind: str, message: str, details: str) -> web.Response:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return web.json_response({"error": error, "node_errors": {}}, status=400)
