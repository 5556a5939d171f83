"""Jobs in numbers."""

from __future__ import annotations

from pydantic import Field

from reconciler.web.api.models.base import Instant, Shape, example
from reconciler.web.api.models.jobs import Job


class OpenJobs(Shape):
    """Open jobs of one server that wait for the same."""

    status: str
    rule: str | None = Field(description="The rule of the decision table that says why.")
    server: str | None
    number: int


class Stretch(Shape):
    """What ended within one stretch of time."""

    at: Instant = Field(description="When it began.")
    completed: int
    failed: int
    cancelled: int
    failures: dict[str, int] = Field(description="The failed ones by reason.")


class RunTimes(Shape):
    """How long prompts ran and waited that succeeded: the median, and what one in ten exceeds."""

    type: str | None = Field(description="Null for all types together, and for jobs without one.")
    number: int
    ran_p50_s: float
    ran_p90_s: float
    waited_p50_s: float | None
    waited_p90_s: float | None


class Stats(Shape):
    """Jobs in numbers."""

    model_config = example(
        since="2026-11-30T00:00:00.000+00:00",
        until="2026-11-30T22:09:11.300+00:00",
        per_s=3600,
        counts={"queued": 4, "processing": 2, "completed": 1812, "failed": 31, "cancelled": 5},
        open=[{"status": "queued", "rule": "pending", "server": "gpu1", "number": 4}],
        stalled=1,
        oldest_waiting=[],
        history=[
            {
                "at": "2026-11-30T21:00:00.000+00:00",
                "completed": 40,
                "failed": 1,
                "cancelled": 0,
                "failures": {"stalled": 1},
            }
        ],
        durations=[
            {
                "type": None,
                "number": 40,
                "ran_p50_s": 88.2,
                "ran_p90_s": 120.5,
                "waited_p50_s": 30.0,
                "waited_p90_s": 310.0,
            }
        ],
    )

    since: Instant
    until: Instant
    per_s: int = Field(description="How long a stretch of the history is, in seconds.")
    counts: dict[str, int] = Field(description="Rows by status, some seconds old at most.")
    open: list[OpenJobs]
    stalled: int = Field(description="Jobs that ended as stalled or worker_dead in this time.")
    oldest_waiting: list[Job] = Field(description="Queued for longest.")
    history: list[Stretch]
    durations: list[RunTimes] = Field(description="All first, then by type.")
