"""The stories of jobs that ended long ago."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.core.lease import UNKNOWN
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import RetentionStore


@dataclass
class Events:
    """Goes through the events from the oldest on, and leaves those of jobs that go on."""

    store: RetentionStore
    keep: Keep
    name: str = field(default="events", init=False)
    lease: str = field(default=UNKNOWN, init=False)
    #: The last event that was looked at: those that had to stay are asked for once a round.
    _after: int = field(default=0, init=False)

    def run_once(self) -> Pruned:
        """Looks at the next events."""
        cutoff = self.keep.cutoff(self.store, "events")
        if cutoff is None:
            return NOTHING
        events = self.store.events(self._after, cutoff, BATCH)
        ended = [event for event in events if event.old and event.ended]
        going_on = self.store.open_among({event.job_id for event in ended})
        gone = [event for event in ended if event.job_id not in going_on]
        removed = self.store.delete_events(gone) if gone else 0
        more = len(events) == BATCH and any(event.old for event in events)
        self._after = events[-1].id if more else 0
        return Pruned(removed, more)
