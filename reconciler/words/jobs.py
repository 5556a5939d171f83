"""Jobs in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.words import one_unit, time_left
from reconciler.words.text import safe

if TYPE_CHECKING:
    from reconciler.store.views import JobView


def verdict(job: JobView) -> str:
    """The status, with the code of a failure."""
    if job.warned:
        return f"{job.status}, with a warning"
    return safe(job.status) if job.failure is None else f"{safe(job.status)}: {job.failure}"


def still_to_go(job: JobView) -> str:
    """What an open job waits for and how long it takes: "number 3 in the queue, begins in about 4
    min, about 6 to 9 min left"; empty where nothing is known."""
    parts = []
    if job.queue_position is not None:
        parts.append(f"number {job.queue_position} in the queue")
        if job.wait_s is not None:
            parts.append(f"begins in about {one_unit(job.wait_s)}")
    if job.eta_s is not None:
        parts.append(time_left(job.eta_s, job.eta_high_s))
    return ", ".join(parts)
