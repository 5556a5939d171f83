"""What the demonstration plays, and what a row must say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from reconciler.core.jobs import FailureCode, Status
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.truth import Ending, TruthEntry


class Meddling(Enum):
    """What somebody does to a job while it is open."""

    NOTHING = auto()
    #: Somebody presses "cancel" in ComfyUI while it runs.
    INTERRUPT = auto()
    #: Somebody deletes it from ComfyUI's queue before it runs.
    DELETE = auto()
    #: The application cancels its own row.
    CANCEL_ROW = auto()


@dataclass(frozen=True, slots=True)
class Act:
    """One job of the demonstration."""

    title: str
    outcome: Outcome = Outcome.SUCCESS
    saver: Saver = Saver.SAVE_VIDEO
    frames: int = 24
    #: How long the sampling takes.
    seconds: float = 1.0
    meddling: Meddling = Meddling.NOTHING
    #: The row learns its prompt from the tag alone: the application does not tell the prompt id.
    by_tag: bool = False
    #: Seed of the graph; the same seed twice is answered from ComfyUI's cache.
    seed: int | None = None


#: Jobs of the healthy GPU, in the order of submission.
HEALTHY: tuple[Act, ...] = (
    Act("video, 72 frames", frames=72, seconds=8.0, seed=1000),
    Act("video by VHS", saver=Saver.VHS_VIDEO_COMBINE),
    Act("image", saver=Saver.SAVE_IMAGE, frames=1),
    Act("linked by tag alone", by_tag=True),
    Act("a node raises", Outcome.ERROR),
    Act("GPU out of memory", Outcome.OUT_OF_MEMORY),
    Act("a user interrupts", Outcome.ENDLESS, meddling=Meddling.INTERRUPT),
    Act("file truncated", Outcome.TRUNCATED),
    Act("one frame too few", Outcome.SHORT, frames=72),
    Act("file deleted", Outcome.DELETED),
    Act("nothing saved", Outcome.NO_OUTPUT),
    Act("application cancels", seconds=2.0, meddling=Meddling.CANCEL_ROW),
    Act("same graph: cached", frames=72, seconds=8.0, seed=1000),
    Act("deleted from queue", meddling=Meddling.DELETE),
)

#: Jobs of the troubled GPU: each of the first three ends its ComfyUI, which is then restarted.
TROUBLED: tuple[Act, ...] = (
    Act("node hangs", Outcome.HANG),
    Act("ComfyUI crashes", Outcome.CRASH, seconds=3.0),
    Act("worker thread dies", Outcome.DEAD_WORKER),
)

_BY_OUTCOME: Mapping[Outcome, tuple[Status, FailureCode | None]] = {
    Outcome.SUCCESS: (Status.COMPLETED, None),
    Outcome.CACHED: (Status.COMPLETED, None),
    Outcome.ERROR: (Status.FAILED, FailureCode.EXECUTION_ERROR),
    Outcome.OUT_OF_MEMORY: (Status.FAILED, FailureCode.OUT_OF_MEMORY),
    Outcome.HANG: (Status.FAILED, FailureCode.STALLED),
    # From outside, a dead worker and a hanging node look alike: the node pack's snapshot tells them
    # apart.
    Outcome.DEAD_WORKER: (Status.FAILED, FailureCode.WORKER_DEAD),
    Outcome.CRASH: (Status.FAILED, FailureCode.LOST),
    Outcome.TRUNCATED: (Status.FAILED, FailureCode.INVALID_OUTPUT),
    Outcome.SHORT: (Status.FAILED, FailureCode.INVALID_OUTPUT),
    Outcome.DELETED: (Status.FAILED, FailureCode.MISSING_OUTPUT),
    Outcome.NO_OUTPUT: (Status.FAILED, FailureCode.NO_OUTPUT),
}


def expected(act: Act, truth: TruthEntry) -> tuple[Status, FailureCode | None]:
    """What the row must say, from what really happened to its prompt."""
    if act.meddling is Meddling.CANCEL_ROW:
        return Status.CANCELLED, None
    if truth.ending is Ending.INTERRUPTED:
        return Status.FAILED, FailureCode.INTERRUPTED
    if truth.ending is Ending.REMOVED:
        # Nothing that ComfyUI keeps tells a deleted prompt from one lost in a restart: the node
        # pack's manifest does.
        return Status.CANCELLED, None
    return _BY_OUTCOME[truth.outcome or act.outcome]
