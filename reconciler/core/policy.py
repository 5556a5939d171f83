"""The thresholds that decisions use. The settings build one; the defaults here are theirs."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    #: No stall verdict earlier than this after the reconciler came up.
    startup_grace_s: float = 60.0
    #: Ask ComfyUI to interrupt a prompt that stalled.
    interrupt: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """All thresholds of `decide`."""

    stall: StallPolicy = field(default_factory=StallPolicy)
    #: What a success proven after a failed verdict does: completed, or an event only.
    accept_late_success: bool = True
    #: A success that saved nothing: failed (False) or completed (True).
    allow_no_output: bool = False
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
