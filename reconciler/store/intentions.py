"""Decisions on their way to a row in another database.

The row and our own tables are then two commits, the row first. What it is about to say is noted in
ours before: whoever finds the note finds out by the row whether it was written, and tells the story
that a crash left untold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from psycopg2.extras import Json

from reconciler.store import states
from reconciler.store.clean import clean_json
from reconciler.store.connection import Cursor
from reconciler.store.queries import query
from reconciler.store.records import Event, Write
from reconciler.store.states import State

#: A state with a note, and the status that its row has now, in our word.
Noted = tuple[State, str | None]


def note(cursor: Cursor, writes: Sequence[Write]) -> None:
    """Notes what rows are about to say. `writes`: their changes as the rows can say them."""
    ours = states.lock(cursor, [states.known(write.record) for write in writes])
    notes = [
        {"job_id": write.record.job.id, "intended": _intended(write)}
        for write in writes
        if write.record.job.id in ours
    ]
    cursor.execute(query("note_intentions"), {"notes": Json(clean_json(notes))})


def standing(cursor: Cursor, job_ids: Collection[str]) -> set[str]:
    """Of these jobs, whose states are locked, those whose notes still stand: another agent may have
    looked before the row was written, and settled one."""
    cursor.execute(query("standing_intentions"), {"job_ids": list(job_ids)})
    return {row["job_id"] for row in cursor.fetchall()}


def forget(cursor: Cursor, job_ids: Collection[str]) -> None:
    """The rows of these jobs were not written."""
    if job_ids:
        cursor.execute(query("forget_intentions"), {"job_ids": list(job_ids)})


def settle(cursor: Cursor, found: Sequence[Noted]) -> None:
    """Tells what was written and not told; forgets what was not written."""
    ours = states.lock(cursor, [_known(state) for state, _ in found])
    mine = [(state, status) for state, status in found if state["job_id"] in ours]
    written = [s for s, status in mine if status == s["intended"]["state"]["status"]]
    states.write(cursor, [state["intended"]["state"] for state in written])
    states.tell(
        cursor, [_told(s, s["intended"]["event"]) for s in written if s["intended"]["event"]]
    )
    forget(cursor, [state["job_id"] for state, _ in mine])


def _intended(write: Write) -> dict[str, object]:
    event = None if write.event is None else asdict(write.event)
    return {"state": states.decided(write.record.job, write.change), "event": event}


def _known(state: State) -> dict[str, object]:
    names = ("job_id", "attempt", "known_status")
    return {name: state[name] for name in names} | {"known_rule": state["rule"]}


def _told(state: State, event: Mapping[str, Any]) -> tuple[str, int, Event]:
    return state["job_id"], state["attempt"], Event(**event)
