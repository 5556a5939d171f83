"""ComfyUI servers, and the agents that reconcile them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reconciler.web.api.models.base import Instant, Shape, example

SERVER: dict[str, Any] = {
    "name": "gpu1",
    "url": "http://127.0.0.1:8188",
    "version": "0.33.0",
    "answers": True,
    "unreachable_since": None,
    "unreachable_how": None,
    "answered_at": "2026-11-30T22:09:11.300+00:00",
    "boot_id": "b0a4",
    "worker_dead_since": None,
    "boot_returned_at": None,
}


class Server(Shape):
    """A server as it was seen last."""

    model_config = example(**SERVER)

    name: str
    url: str
    version: str | None
    answers: bool
    unreachable_since: Instant | None
    unreachable_how: str | None = Field(description="refused, timeout or answer.")
    answered_at: Instant | None
    boot_id: str | None = Field(description="The life of its process, told by the node pack.")
    worker_dead_since: Instant | None = Field(description="It answers, and runs nothing any more.")
    boot_returned_at: Instant | None = Field(description="Several answer behind this address.")


class ServerNow(Server):
    """The same, with what its jobs do."""

    agent: str | None = Field(description="The agent that reconciles it now; null for nobody.")
    processing: int = Field(description="Its jobs that run, or whose files are checked.")
    queued: int = Field(description="Its jobs that wait in its queue.")


class Lease(Shape):
    """The right to reconcile a server."""

    server: str
    epoch: int
    acquired_at: Instant | None
    renewed_at: Instant | None
    looked_at: Instant | None


class Agent(Shape):
    """A running reconciler."""

    id: str
    name: str
    host: str
    pid: int
    version: str
    #: `schema` in JSON, which pydantic would take for a method of its own.
    schema_: str = Field(alias="schema", description="The revision of our tables that it knows.")
    started_at: Instant
    heartbeat_at: Instant
    heartbeat_age_s: float
    alive: bool
    state: str
    waiting: str | None
    servers: list[str]
    leases: list[Lease]
