"""What a job cost."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reconciler.web.api.models.base import Instant, Shape, example

_RUN: dict[str, Any] = {
    "prompt_id": "6a1f0e5e-5f0b-4b0c-9c58-8a4f7d7c9a10",
    "job_id": "1234",
    "attempt": 1,
    "ended": "success",
    "ended_at": "2026-11-30T22:09:10.100+00:00",
    "server": "gpu1",
    "workflow": "5f0b4b0c9c588a4f",
    "frames": 72,
    "width": 832,
    "height": 480,
    "steps": 20,
    "waited_s": 12.5,
    "ran_s": 84.2,
}
_NODE: dict[str, Any] = {
    "node_id": "3",
    "type": "KSampler",
    "seconds": 61.0,
    "cached": False,
    "loads": False,
    "fastest_s": 34.0,
    "median_s": 40.5,
    "lost_s": 27.0,
}


class RanPrompt(Shape):
    """One run of a prompt. Durations are by ComfyUI's clock."""

    model_config = example(**_RUN)

    prompt_id: str
    job_id: str
    attempt: int
    ended: str = Field(description="success, error or interrupted.")
    ended_at: Instant
    server: str | None
    workflow: str | None = Field(description="The shape of the graph, whatever is typed into it.")
    frames: int | None
    width: int | None
    height: int | None
    steps: int | None
    waited_s: float | None = Field(description="In the queue; null where nobody told.")
    ran_s: float


class NodeCost(Shape):
    """One node of a run."""

    model_config = example(**_NODE)

    node_id: str
    type: str
    seconds: float | None = Field(description="Null: it was answered from the cache.")
    cached: bool
    loads: bool = Field(description="It loads a model, or another file.")
    fastest_s: float | None = Field(description="In the fastest run; 0: cached there.")
    median_s: float | None
    lost_s: float | None = Field(description="By how much the fastest run was faster here.")


class RunCost(RanPrompt):
    """A run, and beside it others of the same workflow."""

    model_config = example(
        **_RUN,
        cache_hits=2,
        cache_misses=6,
        nodes_told_by="manifest",
        nodes=[_NODE],
        loaded=[],
        loaded_s=0.0,
        compared=7,
        same_size=True,
        median_s=60.1,
        fastest=_RUN | {"job_id": "1201", "ran_s": 50.0},
        words=["KSampler took 61 s, in the fastest run 34 s."],
    )

    cache_hits: int
    cache_misses: int
    nodes_told_by: str | None = Field(description="manifest, heard (on the websocket), or null.")
    nodes: list[NodeCost]
    loaded: list[NodeCost] = Field(description="Those that loaded something.")
    loaded_s: float
    compared: int = Field(description="Other runs of the workflow that it is compared with.")
    same_size: bool = Field(description="Those have the same frames, pixels and steps.")
    median_s: float | None
    fastest: RanPrompt | None
    words: list[str] = Field(description="Where time can be won.")


class JobCost(Shape):
    """What a job cost."""

    job_id: str
    ran_s: float = Field(description="All of its runs together.")
    runs: list[RunCost] = Field(description="The newest first.")
