"""Jobs: the rows of the jobs table joined with what we know of each, and written together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from psycopg2.extras import Json

from reconciler.core.jobs import Job
from reconciler.core.kinds import PromptRun
from reconciler.store import states
from reconciler.store.clean import clean_json, clean_text
from reconciler.store.connection import Cursor
from reconciler.store.databases import Databases
from reconciler.store.looking import Looker
from reconciler.store.queries import query
from reconciler.store.records import (
    Event,
    JobRecord,
    PromptRecord,
    RowChange,
    StoryEvent,
    Write,
    Written,
    ending_to_json,
)
from reconciler.store.rows import prompt_of, story_event_of
from reconciler.store.runs import save_runs
from reconciler.store.table import JobsTable
from reconciler.store.table_rows import TableRows
from reconciler.store.table_writes import TableWrites
from reconciler.store.writing import Writer


@dataclass(frozen=True, slots=True)
class Link:
    """A prompt that is to be a job's, and why."""

    job: Job
    prompt: PromptRecord
    event: Event
    #: The job's own row names it.
    by_row: bool = False


@dataclass(frozen=True, slots=True)
class Reopening:
    """A final row that is open again, or names another prompt: a new attempt, and why."""

    record: JobRecord
    #: How often in a row it was reopened against the evidence.
    overwritten: int
    event: Event


class JobStore:
    """Jobs in Postgres. Every method raises DatabaseError, and is one transaction of each database
    that it changes (`write_many` of each batch)."""

    def __init__(self, databases: Databases, table: JobsTable) -> None:
        self._databases = databases
        self._own = databases.own
        self._rows = TableWrites(table)
        self._looker = Looker(databases, table, TableRows(table))
        self._writer = Writer(databases, table, self._rows)

    def now(self) -> float:
        """Seconds since the epoch by the database's clock."""
        with self._own.transaction() as cursor:
            cursor.execute("select extract(epoch from clock_timestamp())::float8 as now")
            row = cursor.fetchone()
            assert row is not None
            return float(row["now"])

    def open_jobs(
        self,
        *,
        late_s: float,
        servers: Collection[str] | None = None,
        also: Collection[str] = (),
    ) -> list[JobRecord]:
        """Rows that a pass has to judge, with their prompts.

        Open rows, rows that somebody else closed since we last looked, and rows that failed less
        than `late_s` seconds ago (0: none) by a verdict that a late success may lift. Open rows
        that are there no more are noted as deleted. `servers`: only jobs of these, and those of
        which nobody knows the server. `also`: these, whatever is the case with them.
        """
        return self._looker.open_jobs(late_s, servers, also)

    def see(self, record: JobRecord) -> None:
        """Notes a row that is seen for the first time."""
        self.see_many([record])

    def see_many(self, records: Sequence[JobRecord]) -> None:
        """Notes rows that are seen for the first time."""
        jobs = {record.job.id: record.job for record in records}
        values = [
            {
                "job_id": r.job.id,
                "status": r.row_status,
                "created_at": r.job.opened_at,
                "job_type": states.job_type_of(r.job),
            }
            for r in records
        ]
        with self._own.writing() as cursor:
            cursor.execute(query("see_jobs"), {"jobs": Json(values)})
            seen = [jobs[row["job_id"]] for row in cursor.fetchall()]
            states.tell(cursor, [(job.id, job.attempt, _seen(job)) for job in seen])

    def reopen(self, record: JobRecord, *, overwritten: int, event: Event) -> bool:
        """Begins a new attempt of a row that was final and is open again."""
        return bool(self.reopen_many([Reopening(record, overwritten, event)]))

    def reopen_many(self, reopenings: Sequence[Reopening]) -> set[str]:
        """Begins new attempts; returns the jobs whose attempt was still as it was read."""
        by_id = {reopening.record.job.id: reopening for reopening in reopenings}
        values = [
            {
                "job_id": job_id,
                "attempt": reopening.record.job.attempt,
                "status": reopening.record.row_status,
                "overwritten": reopening.overwritten,
            }
            for job_id, reopening in by_id.items()
        ]
        with self._own.writing() as cursor:
            cursor.execute(query("reopen_jobs"), {"jobs": Json(values), "job_ids": list(by_id)})
            attempts = {row["job_id"]: row["attempt"] for row in cursor.fetchall()}
            prompts = [
                {"job_id": job_id, "prompt_id": prompt_id, "attempt": attempt}
                for job_id, attempt in attempts.items()
                if (prompt_id := by_id[job_id].record.row_prompt_id) is not None
            ]
            ids = [prompt["prompt_id"] for prompt in prompts]
            cursor.execute(
                query("reattempt_prompts"), {"prompts": Json(prompts), "prompt_ids": ids}
            )
            states.tell(cursor, [(job, a, by_id[job].event) for job, a in attempts.items()])
        return set(attempts)

    def follow(self, record: JobRecord, event: Event) -> None:
        """Notes that somebody else changed the row's status; we follow."""
        self.follow_many([(record, event)])

    def follow_many(self, changes: Sequence[tuple[JobRecord, Event]]) -> None:
        """Notes that somebody else changed the statuses of rows, as the events tell."""
        rows = [(states.known(r), r.row_status, event.reason) for r, event in changes]
        with self._own.writing() as cursor:
            news = states.follow(cursor, rows)
            states.tell(
                cursor, [states.told(r.job, event) for r, event in changes if r.job.id in news]
            )

    def leave(self, record: JobRecord, *, overwritten: int, event: Event) -> None:
        """Notes that a row is overwritten again and again, and will be left alone."""
        with self._own.writing() as cursor:
            values = {"job_id": record.job.id, "overwritten": overwritten}
            cursor.execute(query("note_overwritten"), values)
            if cursor.rowcount:
                states.tell(cursor, [states.told(record.job, event)])

    def link(
        self, job: Job, prompt: PromptRecord, event: Event, *, by_row: bool = False
    ) -> PromptRecord | None:
        """Links a prompt to a job; returns it with what is known of it.

        None if it belongs to another job; one that the job's own row names (`by_row`) only as
        long as that other job is open.
        """
        return self.link_many([Link(job, prompt, event, by_row)]).get(prompt.prompt_id)

    def link_many(self, links: Sequence[Link]) -> dict[str, PromptRecord]:
        """Links prompts to jobs, each as `link` does; returns those that are the jobs' now. Of two
        jobs that ask for one prompt the first gets it. Raises StatementRefused where one of the
        rows refuses its prompt's id; then none is linked."""
        first: dict[str, Link] = {}
        for link in links:
            first.setdefault(link.prompt.prompt_id, link)
        values = [
            {**_plain(link.prompt), "job_id": link.job.id, "attempt": link.prompt.attempt}
            for link in first.values()
        ]
        by_row = [prompt_id for prompt_id, link in first.items() if link.by_row]
        with self._databases.writing() as (own, rows):
            own.execute(query("link_prompts"), {"prompts": Json(values), "by_row": by_row})
            linked = [first[row["prompt_id"]] for row in own.fetchall()]
            states.tell(own, [states.told(link.job, link.event) for link in linked])
            unnamed = {k.job.id: k.prompt.prompt_id for k in reversed(linked) if not k.by_row}
            self._rows.fill_prompt_ids(rows, unnamed)
            return _prompts(own, {link.job.id for link in linked}, first)

    def forget_ending(self, prompt: PromptRecord) -> None:
        """The prompt's id is in use again: its ending is that of an earlier run."""
        with self._own.writing() as cursor:
            cursor.execute(query("forget_ending"), {"prompt_id": prompt.prompt_id})
            values = {"all_prompt_ids": [prompt.prompt_id], "prompt_ids": [], "paths": []}
            cursor.execute(query("forget_listings"), values)

    def save_prompts(self, prompts: Iterable[PromptRecord], runs: Sequence[PromptRun] = ()) -> None:
        """Stores the clocks and endings of prompts, and the runs that ended."""
        values = [_saved(prompt) for prompt in prompts]
        with self._own.writing() as cursor:
            ids = [value["prompt_id"] for value in values]
            cursor.execute(query("save_prompts"), {"prompts": Json(values), "prompt_ids": ids})
            save_runs(cursor, runs)

    def write_many(self, writes: Sequence[Write]) -> Written:
        """Writes decisions: of each job its row, our state and an event together, or nothing.

        A bounded number of statements for each 1,000 jobs. What is done is done, if an error ends
        it between two batches.
        """
        return self._writer.write_many(writes)

    def write_states(self, changes: Sequence[tuple[JobRecord, RowChange]]) -> None:
        """Writes what does not touch the rows and is no news."""
        self.write_many(
            [Write(record, change, None, touch_row=False) for record, change in changes]
        )

    def add_event(self, job: Job, event: Event) -> None:
        """Adds to the story without changing anything."""
        with self._own.writing() as cursor:
            states.tell(cursor, [states.told(job, event)])

    def note(self, job: Job, event: Event) -> None:
        """Adds to the story what it does not say yet, in these words."""
        with self._own.writing() as cursor:
            values = {"job_id": job.id, "reason": clean_text(event.reason)}
            cursor.execute(query("is_told"), values)
            row = cursor.fetchone()
            if row is not None and not row["told"]:
                states.tell(cursor, [states.told(job, event)])

    def story(self, job_id: str) -> list[StoryEvent]:
        """All events of a job, oldest first."""
        with self._own.transaction() as cursor:
            cursor.execute(query("story"), {"job_id": clean_text(job_id, 200)})
            return [story_event_of(row) for row in cursor.fetchall()]


def _seen(job: Job) -> Event:
    return Event("seen", f"seen first; the row says {job.status}")


def _prompts(
    cursor: Cursor, job_ids: Collection[str], links: Mapping[str, Link]
) -> dict[str, PromptRecord]:
    """These prompts, as far as they are the jobs'."""
    cursor.execute(query("prompts_of"), {"job_ids": list(job_ids)})
    found = map(prompt_of, cursor.fetchall())
    return {p.prompt_id: p for p in found if p.prompt_id in links}


def _plain(prompt: PromptRecord) -> dict[str, object]:
    values = {name: getattr(prompt, name) for name in PromptRecord.__slots__}
    client_id = prompt.client_id
    values["client_id"] = None if client_id is None else clean_text(client_id, 200)
    return values | {"ending": None, "doing": None}


def _saved(prompt: PromptRecord) -> dict[str, object]:
    ending = ending_to_json(prompt.ending)
    return _plain(prompt) | {
        "ending": None if ending is None else clean_json(ending),
        "doing": None if prompt.doing is None else clean_json(asdict(prompt.doing)),
    }
