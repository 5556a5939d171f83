"""GET /reconciler/preview: what a prompt shows while it runs; ComfyUI tells its submitter alone."""

from __future__ import annotations

import asyncio
from typing import Any

from .contract import PREVIEW_PATH
from .guard import step_aside
from .pack import Pack


def add_preview_route(pack: Pack) -> None:
    """Registers the route. Raises where one of that path is registered already: a second would
    keep ComfyUI from starting."""
    routes = pack.server.routes
    if any(getattr(route, "path", None) == PREVIEW_PATH for route in routes):
        raise ValueError(f"there is another route {PREVIEW_PATH}")

    async def answer(request: Any) -> Any:
        from aiohttp import web  # whoever asks has it; the pack loads without

        try:
            found = await _find(pack, request.query.get("prompt_id"))
        except Exception as error:
            step_aside("a preview could not be handed out", error)
            found = None
        if found is None:
            return web.Response(status=204)  # where the pack is not, ComfyUI says 404
        picture, kind = found
        return web.Response(body=picture, content_type=kind, headers={"Cache-Control": "no-store"})

    routes.get(PREVIEW_PATH)(answer)


async def _find(pack: Pack, prompt_id: Any) -> tuple[bytes, str] | None:
    """The newest picture of a prompt that runs. It is encoded beside the loop, which serves all."""
    running = None if pack.closed else pack.ledger.find(prompt_id)
    shown = None if running is None else running.shown
    if shown is None:
        return None
    return await asyncio.get_running_loop().run_in_executor(None, shown.encoded)
