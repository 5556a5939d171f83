"""What we know of files that are there no more.

A file that exists stays known, orphans too, however old: the next listing would have it inspected
again. So does one elsewhere than in the directory as this agent sees it: another agent, or the
settings of yesterday, may have it under another path.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.retention.directory import Directory
from reconciler.retention.task import BATCH, NOTHING, Keep, Pruned
from reconciler.store.retention import OldOutput, RetentionStore


@dataclass
class Outputs:
    """Looks for old files of one server, and forgets those that are gone."""

    store: RetentionStore
    keep: Keep
    directory: Directory
    name: str = field(default="outputs", init=False)
    _after: OldOutput | None = field(default=None, init=False)

    @property
    def lease(self) -> str:
        """Its own server's agent sees its directory."""
        return self.directory.server

    def run_once(self) -> Pruned:
        """Looks at the next files."""
        server = self.directory.server
        cutoff = self.keep.cutoff(self.store, "outputs", server)
        if cutoff is None or not self.directory.is_there():
            return NOTHING
        outputs = self.store.outputs(server, self._after, cutoff, BATCH)
        ours = [o for o in outputs if o.path.is_relative_to(self.directory.root)]
        gone = [output for output in ours if _is_gone(output.path)]
        # Asked again: storage that went away in between makes everything look gone.
        if gone and not self.directory.is_there():
            return NOTHING
        going_on = self.store.open_among({o.job_id for o in gone if o.job_id is not None})
        keys = [output.key for output in gone if output.job_id not in going_on]
        removed = self.store.delete_outputs(keys, cutoff) if keys else 0
        more = len(outputs) == BATCH
        self._after = outputs[-1] if more else None
        return Pruned(removed, more)


def _is_gone(path: Path) -> bool:
    """Only where the storage says so: what cannot be looked at is there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
