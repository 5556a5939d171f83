"""Pictures of files: all that is large in our tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.core.lease import UNKNOWN
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore


@dataclass
class Thumbnails:
    """Drops the oldest pictures; what the inspection said of the files stays."""

    store: RetentionStore
    keep: Keep
    name: str = field(default="thumbnails", init=False)
    lease: str = field(default=UNKNOWN, init=False)

    def run_once(self) -> Pruned:
        """Drops the next ones."""
        cutoff = self.keep.cutoff(self.store, "thumbnails")
        if cutoff is None:
            return NOTHING
        removed = self.store.drop_thumbnails(cutoff, BATCH)
        return Pruned(removed, more=removed == BATCH)
