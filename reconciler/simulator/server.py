"""What ComfyUI calls `PromptServer.instance`: the one object through which a node pack reaches it.

Names and meaning are ComfyUI's, so that a pack for ComfyUI works here unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from reconciler.simulator.queue import AnyPromptQueue, OldPromptQueue, PromptQueue
from reconciler.simulator.socket import Hub
from reconciler.simulator.versions import Version

log = structlog.get_logger(__name__)

#: Takes the body of POST /prompt and returns the one to go on with.
OnPrompt = Callable[[Any], Any]


class PromptServer:
    """Queue, routes and events of one life of the simulated process."""

    def __init__(self, loop: asyncio.AbstractEventLoop, version: Version) -> None:
        self.loop = loop
        self.hub = Hub(loop)
        self.routes = web.RouteTableDef()
        kind = PromptQueue if version.secrets_apart else OldPromptQueue
        self.prompt_queue: AnyPromptQueue = kind(self.queue_updated)
        self.on_prompt_handlers: list[OnPrompt] = []
        #: The next number of a prompt that names none.
        self.number = 0
        #: Whose prompt ran last (or runs).
        self.client_id: str | None = None
        self.last_prompt_id: str | None = None
        #: The node at work, for a client that reconnects.
        self.last_node_id: str | None = None

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        """Tell one client, or everybody, from any thread. A number is a binary event's."""
        self.hub.send(event, data, sid)

    def queue_updated(self) -> None:
        """Tell everybody how many prompts remain."""
        self.send_sync("status", {"status": self.get_queue_info()})

    def get_queue_info(self) -> dict[str, Any]:
        """As GET /prompt and the `status` event have it."""
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    def add_on_prompt_handler(self, handler: OnPrompt) -> None:
        """Have each body of POST /prompt pass through `handler`."""
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, body: Any) -> Any:
        """The body as the handlers leave it; one that raises is passed over."""
        for handler in self.on_prompt_handlers:
            try:
                body = handler(body)
            except Exception:  # a pack may raise anything
                log.warning("simulator_prompt_handler_failed", exc_info=True)
        return body
