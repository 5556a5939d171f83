"""What we know of jobs that ended long ago: their state, their prompts and what those listed, and
what people asked about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.lease import UNKNOWN
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore


@dataclass
class Jobs:
    """Forgets jobs, the oldest first; not those whose rows somebody keeps open."""

    store: RetentionStore
    keep: Keep
    name: str = field(default="jobs", init=False)
    lease: str = field(default=UNKNOWN, init=False)
    _after: tuple[datetime, str] | None = field(default=None, init=False)

    def run_once(self) -> Pruned:
        """Forgets the next ones."""
        cutoff = self.keep.cutoff(self.store, "jobs")
        if cutoff is None:
            return NOTHING
        jobs = self.store.jobs(self._after, cutoff, BATCH)
        job_ids = {job_id for _, job_id in jobs}
        job_ids -= self.store.open_among(job_ids)
        removed = self.store.delete_jobs(job_ids, cutoff) if job_ids else 0
        self._after = jobs[-1] if len(jobs) == BATCH else None
        strays = self.store.delete_strays(cutoff, BATCH) if self._after is None else 0
        return Pruned(removed + strays, more=BATCH in (len(jobs), strays))
