"""What a job's main output must be, beyond being whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FrameRule(StrEnum):
    """How the frames of a video are compared with those expected."""

    EXACT = "exact"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class ExpectedFrames:
    """The frames that a video must have."""

    count: int
    rule: FrameRule = FrameRule.EXACT
    #: Frames by which both may differ.
    tolerance: int = 0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a main output; None = nothing. Frames, fps and duration are a video's."""

    frames: ExpectedFrames | None = None
    fps: float | None = None
    #: Seconds.
    duration_s: float | None = None
    #: Pixels.
    width: int | None = None
    height: int | None = None
    min_bytes: int | None = None
    #: Sound wanted (True) or unwanted (False).
    audio: bool | None = None
