"""Jobs, their prompts and their stories."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from reconciler.core.jobs import FailureCode
from reconciler.web.api.models.base import Instant, Shape, example
from reconciler.web.api.models.files import Output
from reconciler.web.api.models.servers import Server

JOB: dict[str, Any] = {
    "id": "1234",
    "type": "video",
    "status": "processing",
    "row_status": "processing",
    "failure": None,
    "stage": "running",
    "progress": 41,
    "queue_position": None,
    "eta_s": 96.0,
    "eta_high_s": 140.0,
    "wait_s": None,
    "server": "gpu1",
    "age_s": 210.4,
    "reason": "running on gpu1 for 2 min, 41 %",
    "warned": False,
    "rule": "running",
    "attempt": 1,
    "frames": 72,
    "prompt_id": "6a1f0e5e-5f0b-4b0c-9c58-8a4f7d7c9a10",
    "output_path": None,
    "error": None,
    "created_at": "2026-11-30T22:04:05.120+00:00",
    "updated_at": "2026-11-30T22:07:35.001+00:00",
    "completed_at": None,
    "decided_at": "2026-11-30T22:05:30.500+00:00",
}
EVENT: dict[str, Any] = {
    "id": 90210,
    "at": "2026-11-30T22:05:30.500+00:00",
    "attempt": 1,
    "kind": "status",
    "from_status": "queued",
    "to_status": "processing",
    "failure": None,
    "rule": "running",
    "reason": "running on gpu1",
    "evidence": {"prompt_id": "6a1f0e5e-5f0b-4b0c-9c58-8a4f7d7c9a10", "place": "running"},
}


class Job(Shape):
    """A row of the jobs table, with what is known of it. What is not known is null."""

    model_config = example(**JOB)

    id: str
    type: str | None
    status: str = Field(
        description="queued, processing, completed, failed or cancelled; the row's own word where"
        " the settings do not know it."
    )
    row_status: str | None = Field(description="The status in the table's own word.")
    failure: FailureCode | None = Field(
        description="Why it failed; null by the application's hand."
    )
    stage: str | None
    progress: int | None = Field(description="Per cent; 100 only for a success.")
    queue_position: int | None
    eta_s: float | None = Field(description="Seconds that it will still take: the median.")
    eta_high_s: float | None = Field(None, description="What nine of ten such jobs do not exceed.")
    wait_s: float | None = Field(None, description="Until a waiting prompt begins, as is expected.")
    server: str | None
    age_s: float | None
    reason: str | None = Field(description="Why it is as it is, in one sentence.")
    warned: bool = Field(description="Completed, though something should be known: see `reason`.")
    rule: str | None = Field(description="The rule of the decision table that says so.")
    attempt: int | None
    frames: int | None
    prompt_id: str | None
    output_path: str | None
    error: str | None
    created_at: Instant | None
    updated_at: Instant | None
    completed_at: Instant | None
    decided_at: Instant | None = Field(description="When its last status was decided.")


class Prompt(Shape):
    """A prompt of a job."""

    prompt_id: str
    attempt: int
    server: str | None
    ever_seen: bool
    running_since: Instant | None
    last_sign_at: Instant | None
    missing_looks: int
    missing_since: Instant | None
    boot_changed_since: Instant | None
    interrupted_by_us: bool
    ending: dict[str, Any] | None = Field(description="How it ended, as ComfyUI tells it.")
    ending_seen_at: Instant | None


class Expected(Shape):
    """Something that was expected of the main output."""

    wanted: str = Field(examples=["72 frames"])
    by: str = Field(description="Who expects it.", examples=["the row"])
    found: str | None = Field(description="Null as long as nobody knows.", examples=["71"])
    met: bool | None


class JobDetails(Job):
    """All that is known of a job."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{**JOB, "expected": [], "prompts": [], "outputs": [], "server_seen": None}]
        },
    )

    expected: list[Expected] = Field(description="Of its main output.")
    prompts: list[Prompt]
    outputs: list[Output]
    server_seen: Server | None = Field(description="Its server, as it was seen last.")


class Event(Shape):
    """A sentence of a job's story."""

    model_config = example(**EVENT)

    id: int
    at: Instant
    attempt: int
    kind: str
    from_status: str | None
    to_status: str | None
    failure: str | None
    rule: str | None
    reason: str
    evidence: dict[str, Any] = Field(description="What the decision was drawn from.")
