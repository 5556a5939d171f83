"""What webhooks were told, or were not in the end; what still waits stays."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.core.lease import UNKNOWN
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore


@dataclass
class Deliveries:
    """Forgets deliveries that are over, the oldest first."""

    store: RetentionStore
    keep: Keep
    name: str = field(default="deliveries", init=False)
    lease: str = field(default=UNKNOWN, init=False)

    def run_once(self) -> Pruned:
        """Forgets the next ones."""
        cutoff = self.keep.cutoff(self.store, "deliveries")
        if cutoff is None:
            return NOTHING
        removed = self.store.delete_deliveries(cutoff, BATCH)
        return Pruned(removed, more=removed == BATCH)
