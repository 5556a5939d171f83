"""What past runs took: newer ones teach more."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.core.lease import UNKNOWN
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore


@dataclass
class Runs:
    """Forgets runs, the oldest first."""

    store: RetentionStore
    keep: Keep
    name: str = field(default="runs", init=False)
    lease: str = field(default=UNKNOWN, init=False)

    def run_once(self) -> Pruned:
        """Forgets the next ones."""
        cutoff = self.keep.cutoff(self.store, "runs")
        if cutoff is None:
            return NOTHING
        removed = self.store.delete_runs(cutoff, BATCH)
        return Pruned(removed, more=removed == BATCH)
