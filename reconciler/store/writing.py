"""Writing decisions: of each job its row, our state and an event together, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.errors import StatementRefused
from reconciler.store import intentions, states
from reconciler.store.databases import Databases
from reconciler.store.records import Write, Written
from reconciler.store.table import JobsTable
from reconciler.store.table_writes import TableWrites

#: Jobs in one transaction, at most: no lock is held for long.
MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes batches of decisions. Raises DatabaseError."""

    databases: Databases
    table: JobsTable
    rows: TableWrites

    def write_many(self, writes: Sequence[Write]) -> Written:
        """See `JobStore.write_many`."""
        written = Written()
        for start in range(0, len(writes), MAX_BATCH):
            written |= self._write_or_halve(writes[start : start + MAX_BATCH])
        return written

    def _write_or_halve(self, batch: Sequence[Write]) -> Written:
        """What Postgres refuses for one row's sake is found by halves: no other waits for it."""
        try:
            return Written(done=frozenset(self._write(batch)))
        except StatementRefused as error:
            if len(batch) == 1:
                return Written(refused={batch[0].record.job.id: error})
        half = len(batch) // 2
        return self._write_or_halve(batch[:half]) | self._write_or_halve(batch[half:])

    def _write(self, batch: Sequence[Write]) -> set[str]:
        """Writes a batch in one transaction; returns the jobs that were still as they had been."""
        said = [self._as_said(write) for write in batch]
        noted = self._note_intentions(said)
        with self.databases.writing() as (own, rows):
            ours = states.lock(own, [states.known(write.record) for write in batch])
            if noted:
                ours -= noted - intentions.standing(own, noted & ours)
            touching = [w for w in batch if w.touch_row and w.record.job.id in ours]
            touched = self.rows.write(rows, touching)
            done = ours - {w.record.job.id for w in touching} | touched
            writes = [w for w in said if w.record.job.id in done]
            states.write(own, [states.decided(w.record.job, w.change) for w in writes])
            told = [states.told(w.record.job, w.event) for w in writes if w.event is not None]
            states.tell(own, told)
            intentions.forget(own, (noted & ours) - done)
            if writes and not told:
                states.notify(own, f"{len(writes)} jobs")
        return done

    def _note_intentions(self, said: Sequence[Write]) -> set[str]:
        """Of two databases one is committed first: what the rows are about to say is noted. Returns
        the jobs of which it was to be."""
        if self.databases.is_one:
            return set()
        changing = [w for w in said if w.touch_row and w.change.status.value != w.record.row_status]
        if changing:
            with self.databases.own.writing() as own:
                intentions.note(own, changing)
        return {write.record.job.id for write in changing}

    def _as_said(self, write: Write) -> Write:
        """The change as the row can say it."""
        status = self.table.status_of(self.table.word_of(write.change.status))
        if status in (None, write.change.status):
            return write
        return replace(write, change=replace(write.change, status=status))
