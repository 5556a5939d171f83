"""Jobs in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.words.text import safe

if TYPE_CHECKING:
    from reconciler.store.views import JobView


def verdict(job: JobView) -> str:
    """The status, with the code of a failure."""
    if job.warned:
        return f"{job.status}, with a warning"
    return safe(job.status) if job.failure is None else f"{safe(job.status)}: {job.failure}"
