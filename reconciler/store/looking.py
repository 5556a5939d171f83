"""Looking at both sides: the rows of the jobs table, and what we know of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.core.jobs import Status
from reconciler.store import intentions, states
from reconciler.store.clean import clean_text
from reconciler.store.databases import Databases
from reconciler.store.queries import query
from reconciler.store.records import Event, JobRecord
from reconciler.store.rows import job_of, prompt_of
from reconciler.store.states import UNSEEN, State
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import Row, TableRows

_OPEN = (Status.QUEUED.value, Status.PROCESSING.value)


@dataclass
class Found:
    """What a look at both sides found."""

    records: dict[str, JobRecord] = field(default_factory=dict)
    #: What applications did that ends our interest: the state as we knew it, the status, and why.
    lost: list[tuple[State, str, str]] = field(default_factory=list)
    #: Rows that a write may have reached of which our own tables do not know.
    noted: list[intentions.Noted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Looker:
    """Reads the jobs that a pass has to judge. Every method raises DatabaseError."""

    databases: Databases
    table: JobsTable
    rows: TableRows

    def open_jobs(
        self, late_s: float, servers: Collection[str] | None, also: Collection[str] = ()
    ) -> list[JobRecord]:
        """See `JobStore.open_jobs`."""
        found = self._look(late_s, servers, also)
        if found.noted:  # there was a crash between two commits: what it left is settled first
            with self.databases.own.writing() as own:
                intentions.settle(own, found.noted)
            found = self._look(late_s, servers, also)
        if found.lost:
            self._let_go(found.lost)
        return list(found.records.values())

    def _look(self, late_s: float, servers: Collection[str] | None, also: Collection[str]) -> Found:
        with self.databases.snapshot() as (own, rows):
            watched = states.watched(own, late_s=late_s, servers=servers, also=also)
            found_rows = self.rows.open(rows)
            found_rows |= self.rows.by_id(rows, watched.keys() - found_rows.keys())
            known = {**states.of_jobs(own, found_rows.keys() - watched.keys()), **watched}
            found = self._judged(found_rows, known, servers, set(also))
            own.execute(query("prompts_of"), {"job_ids": list(found.records)})
            for row in own.fetchall():
                found.records[row["job_id"]].prompts.append(prompt_of(row))
        return found

    def _judged(
        self,
        rows: Mapping[str, Row],
        known: Mapping[str, State],
        servers: Collection[str] | None,
        also: Collection[str],
    ) -> Found:
        """What is to be done about each row and each state, before anything is decided."""
        found = Found()
        for job_id in dict.fromkeys([*rows, *known]):
            row, state = rows.get(job_id), known.get(job_id, UNSEEN)
            status = None if row is None else row["row_status"]
            if not _is_of(servers, row, state):
                continue
            if state["intended"] is not None:
                found.noted.append((state, status))
            elif row is None or status is None:
                if _is_open(state):
                    found.lost.append((state, *_loss(row)))
            elif job_id in also or (_is_wanted(row, state) and not _is_forgotten(row, state)):
                merged = {**row, **state, "job_id": job_id}
                found.records[job_id] = job_of(merged, self.table.default_frames)
        return found

    def _let_go(self, lost: list[tuple[State, str, str]]) -> None:
        """Open rows were deleted, or took on a status that is none of ours: the application's
        business now."""
        with self.databases.own.writing() as cursor:
            news = states.follow(cursor, lost)
            told = [
                (state["job_id"], state["attempt"], _by_application(state, reason))
                for state, _, reason in lost
                if state["job_id"] in news
            ]
            states.tell(cursor, told)


def _is_open(state: State) -> bool:
    return state["known_status"] in _OPEN


def _is_wanted(row: Row, state: State) -> bool:
    """Open, known as open, or failed by a verdict that may be lifted."""
    is_failed = row["row_status"] == Status.FAILED.value and state["failure"] is not None
    return row["row_status"] in _OPEN or _is_open(state) or is_failed


def _is_forgotten(row: Row, state: State) -> bool:
    """Nobody wants to hear of it, as long as its row says what it said then."""
    return state["forgotten_at"] is not None and state["known_status"] == row["row_status"]


def _is_of(servers: Collection[str] | None, row: Row | None, state: State) -> bool:
    server = state["server"] or (None if row is None else row["row_server"])
    return servers is None or server is None or server in servers


def _loss(row: Row | None) -> tuple[str, str]:
    """The status of a row that we do not follow any more, and why."""
    if row is None:
        return "deleted", "the application deleted the row"
    word = clean_text(row["row_word"] or "null", 100)
    return word, f"the row says {word!r}, which is none of our statuses: left alone"


def _by_application(state: State, reason: str) -> Event:
    return Event("application", reason, from_status=state["known_status"])
