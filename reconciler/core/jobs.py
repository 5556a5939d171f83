"""What a job is, and the words its row may carry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The status of a job, as the row says it."""

    #: Waiting: not yet handed to ComfyUI, or pending in its queue.
    QUEUED = "queued"
    #: ComfyUI runs its prompt, or its outputs are being checked.
    PROCESSING = "processing"
    #: Every output is on disk, whole, and what was expected.
    COMPLETED = "completed"
    #: It ended without a usable result; the `FailureCode` says how.
    FAILED = "failed"
    #: Somebody took it back: the application, or whoever deleted the prompt from the queue.
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """True where nothing more is expected to happen."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class FailureCode(StrEnum):
    """Why a job failed."""

    #: A node raised an exception.
    EXECUTION_ERROR = "execution_error"
    #: A node ran out of GPU or host memory.
    OUT_OF_MEMORY = "out_of_memory"
    #: Somebody else interrupted the prompt.
    INTERRUPTED = "interrupted"
    #: ComfyUI refused the prompt.
    REJECTED = "rejected"
    #: It ran on without a sign of life, or beyond its runtime budget.
    STALLED = "stalled"
    #: ComfyUI's worker thread is gone: the server answers and will never run anything again.
    WORKER_DEAD = "worker_dead"
    #: The server answers and knows the prompt neither in its queue nor in its history.
    LOST = "lost"
    #: The server was unreachable for longer than allowed.
    SERVER_DOWN = "server_down"
    #: ComfyUI reported success and an output is not on disk.
    MISSING_OUTPUT = "missing_output"
    #: ComfyUI reported success and an output is damaged or not what was expected.
    INVALID_OUTPUT = "invalid_output"
    #: ComfyUI reported success, nothing here can judge an output, and the settings refuse such.
    UNJUDGED_OUTPUT = "unjudged_output"
    #: ComfyUI reported success and saved nothing.
    NO_OUTPUT = "no_output"
    #: It waited in the queue for longer than allowed.
    QUEUE_TIMEOUT = "queue_timeout"
    #: No prompt of this job was ever seen on any server.
    NEVER_SUBMITTED = "never_submitted"

    @property
    def is_permanent(self) -> bool:
        """True where a later success cannot be this prompt's: its end was told by ComfyUI."""
        return self in (
            FailureCode.EXECUTION_ERROR,
            FailureCode.OUT_OF_MEMORY,
            FailureCode.INTERRUPTED,
            FailureCode.REJECTED,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table, as far as decisions need it.

    Times are seconds since the epoch by the database's clock.
    """

    id: str
    status: Status
    #: Why it failed; None unless `status` is failed by our own hand.
    failure: FailureCode | None
    #: 1 for the first; the application or a retry opens the next by reopening a final row.
    attempt: int
    prompt_id: str | None
    #: When this attempt began (the row's creation, for the first).
    opened_at: float
    job_type: str | None = None
    #: Frames that the main video must have, or None where nothing is expected.
    frames: int | None = None
