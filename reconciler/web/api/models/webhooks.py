"""Endpoints and deliveries."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reconciler.web.api.models.base import Instant, Shape, example


class EndpointTold(Shape):
    """Who is told, and how that stands."""

    model_config = example(
        name="slack", url="https://hooks.example/jobs", events="endings", statuses=["failed"],
        job_types=None, named_by=["gpu1"], state="enabled", disabled_because=None,
        disabled_at=None, removed_at=None, waiting=0, oldest_at=None,
    )  # fmt: skip

    name: str
    url: str
    events: str = Field(description="endings, changes or all.")
    statuses: list[str] | None = Field(description="Null: all.")
    job_types: list[str] | None = Field(description="Null: all.")
    named_by: list[str] = Field(description="The agents whose settings name it.")
    state: str = Field(description="enabled, disabled or removed.")
    disabled_because: str | None
    disabled_at: Instant | None
    removed_at: Instant | None
    waiting: int
    oldest_at: Instant | None = Field(description="Since when the oldest that waits does.")


class DeliveryTold(Shape):
    """A message to one endpoint, and what became of it."""

    model_config = example(
        id=41, message_id="msg_2x", webhook="slack", event_id=977, job_id="1234",
        type="job.completed", payload={"type": "job.completed"}, state="delivered", attempts=1,
        last_status=204, last_error=None, last_answer=None, took_s=0.08,
        created_at="2026-11-30T22:04:05.120+00:00", last_at="2026-11-30T22:04:05.300+00:00",
        next_at=None, sending=False,
    )  # fmt: skip

    id: int
    message_id: str = Field(description="The same at each attempt.")
    webhook: str
    event_id: int | None = Field(description="Null: a test.")
    job_id: str | None
    type: str
    payload: dict[str, Any]
    state: str = Field(description="waiting, delivered or failed (given up).")
    attempts: int
    last_status: int | None = Field(description="Of HTTP; null where there was no answer.")
    last_error: str | None
    last_answer: str | None
    took_s: float | None
    created_at: Instant
    last_at: Instant | None
    next_at: Instant | None
    sending: bool
