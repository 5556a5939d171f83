"""The thresholds that decisions use. The settings build one; the defaults here are theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class RunStage(StrEnum):
    """What a running prompt's node is about (`core.stages`)."""

    #: A loader, or a sampler that has told no step yet: it still loads its model.
    LOADING = "loading"
    SAMPLING = "sampling"
    #: A node that writes files: savers, video combiners.
    ENCODING = "encoding"
    #: Any other node.
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class StallMatch:
    """Which prompts a rule is for: those to which all that is named here applies; None = any."""

    #: The row's job type, the running node's `class_type`: `*` stands for anything, and case
    #: makes no difference. What is not known matches nothing.
    job_type: str | None = None
    node_type: str | None = None
    #: Frames that the job promises; `StallPolicy.unknown_frames` where it promises none.
    frames_at_least: int | None = None
    frames_at_most: int | None = None
    server: str | None = None
    stage: RunStage | None = None


@dataclass(frozen=True, slots=True)
class StallRule:
    """Thresholds that differ for some prompts; None = this rule leaves it to the next."""

    match: StallMatch
    no_progress_s: float | None = None
    base_s: float | None = None
    per_frame_s: float | None = None
    interrupt: bool | None = None


@dataclass(frozen=True, slots=True)
class StallPolicy:
    """When a running prompt counts as stalled."""

    #: Silence longer than this is a stall, while a source that could break it is listening.
    no_progress_s: float = 900.0
    #: Runtime budget = base_s + per_frame_s * frames: three times what such jobs really take.
    base_s: float = 180.0
    per_frame_s: float = 30.0
    #: Frames assumed where the job does not say: the longest usual job.
    unknown_frames: int = 240
    #: Silence that has to go with an exceeded budget, where somebody would have heard it broken.
    quiet_s: float = 300.0
    #: No stall verdict earlier than this after the reconciler came up.
    startup_grace_s: float = 60.0
    #: Ask ComfyUI to interrupt a prompt that stalled.
    interrupt: bool = False
    #: Exceptions. Each threshold is that of the first rule that matches and names it.
    rules: tuple[StallRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """All thresholds of `decide`."""

    stall: StallPolicy = field(default_factory=StallPolicy)
    #: What a success proven after a failed verdict does: completed, or an event only.
    accept_late_success: bool = True
    #: A success that saved nothing: failed (False) or completed (True).
    allow_no_output: bool = False
    #: A success with a file that nothing here can judge: completed with a warning, or failed.
    unjudged_completes: bool = True
    #: How long after the first look that knew of the success an output may still be absent.
    missing_output_grace_s: float = 30.0
    #: Clean looks that must miss a prompt, and how long it must be missing, before it is lost.
    lost_confirmations: int = 3
    lost_grace_s: float = 60.0
    #: The same where the server's boot id proves a restart.
    restart_grace_s: float = 20.0
    #: How long a job may wait in a queue, or for its first prompt; None = for ever.
    queue_timeout_s: float | None = None
    submit_timeout_s: float | None = None
    #: How long a row may name a prompt that no server ever knew; None = for ever.
    never_seen_timeout_s: float | None = 3600.0
    #: How long a server may be unreachable before its open jobs are failed; None = for ever.
    server_down_timeout_s: float | None = 3600.0
