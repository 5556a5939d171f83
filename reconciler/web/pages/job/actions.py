"""What a person can ask for on a job's page, and what became of what was asked."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.jobs import Status
from reconciler.store.views import JobView


@dataclass(frozen=True, slots=True)
class Button:
    """One thing to ask for."""

    #: As in POST /api/v1/jobs/{id}/{action}.
    action: str
    label: str
    #: What will happen, said before it does.
    consequence: str
    is_dangerous: bool = False


_CANCEL = Button(
    "cancel",
    "Cancel the job",
    "Its prompt is deleted from ComfyUI's queue, or interrupted if it runs, and the row becomes"
    " cancelled. What it has rendered so far is lost.",
    is_dangerous=True,
)
_FORGET = Button(
    "forget",
    "Stop watching",
    "The row stays as it is, and nobody looks after the job any more. ComfyUI goes on with it.",
    is_dangerous=True,
)
_RECHECK = Button(
    "recheck",
    "Check again",
    "ComfyUI and the files are looked at anew, and the row is set to what is found.",
)
_ACCEPT = Button(
    "accept",
    "Accept as it is",
    "The row becomes completed with the files that are there, however damaged or short, with a"
    " warning that says so.",
    is_dangerous=True,
)


def buttons(job: JobView) -> list[Button]:
    """What makes sense for the job as it is."""
    if job.is_open:
        return [_RECHECK, _CANCEL, _FORGET]
    if job.status == Status.FAILED.value:
        return [_RECHECK, _ACCEPT]
    return [_RECHECK]
