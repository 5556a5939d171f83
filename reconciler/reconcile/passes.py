"""One pass: read the rows, look, gather, decide, write."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

import structlog

from reconciler import metrics
from reconciler.core.asked import ACCEPTED
from reconciler.core.case import Decision, Stage
from reconciler.core.decide import decide
from reconciler.core.jobs import Status
from reconciler.core.policy import Policy
from reconciler.errors import ServerError
from reconciler.reconcile.changes import change_of, write_of
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.progress import Estimator
from reconciler.reconcile.requests import Requests
from reconciler.store import Store
from reconciler.store.clean import clean_text
from reconciler.store.jobs import Reopening
from reconciler.store.records import Event, JobRecord, RowChange, Write, Written
from reconciler.store.requests import Action

log = structlog.get_logger(__name__)

#: Failed jobs whose success is asked for in one pass, at most.
LATE_QUESTIONS = 20
#: Jobs that are noted or written together, at most: no lock is held for long.
BATCH = 1000
#: The rule of the decision table about a prompt that waits.
PENDING_RULE = "pending"


@dataclass(frozen=True, slots=True)
class Change:
    """What a pass did to one row."""

    job_id: str
    before: str
    after: str
    reason: str


@dataclass
class PassReport:
    """What a pass found and did."""

    #: Jobs that were judged.
    judged: int = 0
    changes: list[Change] = field(default_factory=list)
    #: Jobs whose row changed under our hands: to be looked at again at once.
    conflicts: int = 0
    #: Decision by job, for `reconciler once`.
    decisions: dict[str, Decision] = field(default_factory=dict)
    #: Jobs that could not be judged or written.
    troubled: set[str] = field(default_factory=set)
    #: When the oldest job was opened that has an open prompt; None where there is none.
    oldest_open: float | None = None
    #: What is to be written, with the decision behind it: together, at the end of the pass.
    writes: list[tuple[Write, Decision]] = field(default_factory=list)


@dataclass
class Reconciler:
    """Runs passes. Not thread-safe: one thread runs them, one after the other."""

    store: Store
    gatherer: Gatherer
    clock: DatabaseClock
    policy: Policy
    #: How long after a verdict a late success is looked for, in seconds.
    late_s: float
    #: Seconds between two writes of a row for nothing but its progress, at least.
    progress_s: float = 0.0
    #: Rule under which an open row was set right that somebody else keeps setting, by job.
    _set_right: dict[str, str] = field(default_factory=dict)
    #: When a row's progress was written last, by job.
    _progress_at: dict[str, float] = field(default_factory=dict)
    #: Whose turn it is to have a late success asked for.
    _turn: int = 0

    @cached_property
    def requests(self) -> Requests:
        """What people asked for."""
        return Requests(self.store, self.gatherer)

    def run_pass(
        self,
        look_at: Collection[str] | None = None,
        *,
        search_history: bool = False,
        only: str | None = None,
    ) -> PassReport:
        """Looks at the servers `look_at` (None: all) and sets right what is wrong.

        With no server to look at, the last looks stand and only files and progress are new. The
        rows are read BEFORE the servers are asked: a prompt id in a row was known to its server
        before, so a clean answer that does not show it means something. `search_history` also
        searches the newest history for tags of rows without a prompt, and looks for late successes.
        `only` judges one job.
        """
        gatherer = self.gatherer
        if leap_s := self.clock.set(self.store.jobs.now()):
            gatherer.note_leap(leap_s)
        gatherer.troubles.begin_pass()
        urgent = self.requests.take()
        search_history |= self.requests.searches
        records, news = self._read(late=search_history)
        gatherer.look(list(gatherer.servers) if look_at is None or news or urgent else look_at)
        gatherer.link(records, search_history=search_history)
        if only is not None:
            records = [record for record in records if record.job.id == only]
        self._place(records)
        self.requests.carry_out(records)
        report = PassReport(oldest_open=_oldest_open(records))
        gatherer.learner.refresh(self.clock.now())
        estimator = Estimator(
            records, gatherer.servers, gatherer.live, self.clock, self.policy,
            lessons=gatherer.learner.lessons,
        )  # fmt: skip
        doubtful: list[JobRecord] = []
        for record in filter(gatherer.remit.judges, records):
            with gatherer.troubles.apart(record.job.id):
                decision = self._waiting(record) or self._decide(record)
                if decision.needs_second_look:
                    doubtful.append(record)
                else:
                    self._apply(record, decision, report, estimator)
        self._look_again(doubtful, report, estimator)
        self._write(report)
        if self.requests.job_ids:
            self.requests.answer(records, {c.job_id: c.after for c in report.changes})
        report.troubled = gatherer.troubles.jobs
        self._forget_all_but(records)
        return report

    def _read(self, *, late: bool) -> tuple[list[JobRecord], bool]:
        """The rows to judge, after following what the application did to them; and whether it
        did anything."""
        late_s = self.late_s if late else 0.0
        also = self.requests.job_ids
        records = self.store.jobs.open_jobs(late_s=late_s, also=also)
        ours = [record for record in records if self.gatherer.remit.judges(record)]
        unseen = [record for record in ours if record.known_status is None]
        followed = [record for record in records if self.gatherer.remit.follows(record)]
        for start in range(0, len(unseen), BATCH):
            self.store.jobs.see_many(unseen[start : start + BATCH])
        news = bool(unseen) | self._follow(followed) | self.gatherer.remit.has_news(records)
        if news:
            records = self.store.jobs.open_jobs(late_s=late_s, also=also)
        return [record for record in records if record.is_followed], news

    def _follow(self, records: list[JobRecord]) -> bool:
        """Follows what the application did to rows. True if that was anything."""
        known = [record for record in records if record.known_status is not None]
        closed = [
            (record, _closed(record))
            for record in known
            if record.known_open and record.job.status.is_final
        ]
        for start in range(0, len(closed), BATCH):
            self.store.jobs.follow_many(closed[start : start + BATCH])
        reopenings = [each for record in known if (each := self._reopening(record)) is not None]
        reopened: set[str] = set()
        for start in range(0, len(reopenings), BATCH):
            reopened |= self.store.jobs.reopen_many(reopenings[start : start + BATCH])
        return bool(closed or reopened)

    def _reopening(self, record: JobRecord) -> Reopening | None:
        """The new attempt that the application began, if it did."""
        if record.job.status.is_final:
            return None
        if not record.known_open:
            return self._reopened(record)
        if record.names_another_prompt:
            reason = f"the row names another prompt, {record.row_prompt_id}: a new attempt begins"
            return Reopening(record, 0, Event("reopened", reason))
        return None

    def _reopened(self, record: JobRecord) -> Reopening | None:
        """A final row is open again: a new attempt, or something that keeps overwriting it."""
        known, now = record.known_status, record.row_status
        in_vain = record.names_an_ended_prompt and not self.gatherer.shows(record.row_prompt_id)
        overwritten = record.overwritten + 1 if in_vain else 0
        if overwritten > 2:
            return None
        if overwritten == 2:
            reason = (
                f"the row was set from {known} to {now} again, against its prompt's known end:"
                " left alone from now on"
            )
            log.warning("row keeps being overwritten", job=record.job.id)
            self.store.jobs.leave(record, overwritten=3, event=Event("warning", reason))
            return None
        reason = f"the row was reopened: {known} to {now}; a new attempt begins"
        event = Event("reopened", reason, from_status=known, to_status=now)
        return Reopening(record, overwritten, event)

    def _place(self, records: list[JobRecord]) -> None:
        """Finds the prompts. Of failed jobs a few are asked for at a time, in turn: there may be
        hundreds, and the open ones must not wait for them."""
        failed = [record for record in records if record.job.status.is_final]
        job_ids = set(self.requests.job_ids)
        asked = [record for record in failed if record.job.id in job_ids]
        self.gatherer.place([r for r in records if not r.job.status.is_final] + asked)
        failed = [record for record in failed if record.job.id not in job_ids]
        if failed:
            start = self._turn % len(failed)
            failed = failed[start:] + failed[:start]
            self.gatherer.place(failed[:LATE_QUESTIONS])
            self.gatherer.place(failed[LATE_QUESTIONS:], ask_history=False)
            self._turn = start + LATE_QUESTIONS

    def _look_again(
        self, doubtful: list[JobRecord], report: PassReport, estimator: Estimator
    ) -> None:
        """Silence or absence is blamed: the servers are asked once more before it is written."""
        if not doubtful:
            return
        prompts = [prompt for record in doubtful for prompt in record.prompts]
        unknown = any(not record.prompts for record in doubtful) or any(
            prompt.server is None for prompt in prompts
        )
        servers = {p.server for p in prompts if p.server is not None}
        self.gatherer.look(set(self.gatherer.servers) if unknown else servers)
        self.gatherer.place(doubtful)
        for record in doubtful:
            with self.gatherer.troubles.apart(record.job.id):
                self._apply(record, self._decide(record), report, estimator)

    def _waiting(self, record: JobRecord) -> Decision | None:
        """The decision about a job whose only prompt waits where its state says: that about most
        jobs, most of the time. None where the whole table has to be asked."""
        position = self.gatherer.waits_at(record)
        told = (record.rule, record.queue_position, record.known_status)
        if (
            position is None
            or told != (PENDING_RULE, position, record.row_status)
            or record.job.status is not Status.QUEUED
            or self.policy.queue_timeout_s is not None
            or self.requests.asks(record.job.id, Action.CANCEL) is not None
        ):
            return None
        return Decision(
            Status.QUEUED,
            PENDING_RULE,
            record.reason or "",
            stage=Stage.PENDING,
            prompt_id=record.attempted[0].prompt_id,
            position=position,
        )

    def _decide(self, record: JobRecord) -> Decision:
        if (accepted := self.requests.accepted(record)) is not None:
            return accepted
        evidence = replace(
            self.gatherer.evidence(record), cancel_asked_by=self.requests.cancelled_by(record)
        )
        return decide(record.job, evidence, self.policy, self.clock.now())

    def _apply(
        self, record: JobRecord, decision: Decision, report: PassReport, estimator: Estimator
    ) -> None:
        report.judged += 1
        report.decisions[record.job.id] = decision
        if decision.rule in ("final", "failed"):
            return  # the verdict stands, and so does the reason that was given for it
        decision = self._give_way(record, decision)
        change = change_of(record, decision, estimator.estimate(record, decision))
        write = write_of(record, decision, self._paced(record, change))
        if write is None:
            return
        if write.is_news and change.status.is_final:
            self.gatherer.files.attribute(record)
        report.writes.append((write, decision))

    def _paced(self, record: JobRecord, change: RowChange) -> RowChange:
        """Progress alone is no reason to write a row again and again."""
        job_id, now = record.job.id, self.clock.now()
        if change.status.value != record.row_status or change.progress == record.progress:
            return change
        if now - self._progress_at.get(job_id, float("-inf")) < self.progress_s:
            return replace(change, progress=record.progress)
        self._progress_at[job_id] = now
        return change

    def _write(self, report: PassReport) -> None:
        """Writes what was decided. Rows come first: each end moves all that wait behind it, of
        which only our own state tells."""
        report.writes.sort(key=lambda write: not write[0].is_news)
        for start in range(0, len(report.writes), BATCH):
            batch = report.writes[start : start + BATCH]
            written = self.store.jobs.write_many([write for write, _ in batch])
            for write, decision in batch:
                self._note_written(write, decision, written, report)

    def _note_written(
        self, write: Write, decision: Decision, written: Written, report: PassReport
    ) -> None:
        record, change = write.record, write.change
        if record.job.id in written.refused:
            self.gatherer.troubles.note(record.job.id, written.refused[record.job.id])
        elif record.job.id not in written.done:
            report.conflicts += write.is_news
            log.debug("row changed meanwhile, or is locked: looking again", job=record.job.id)
        elif change.status.value != record.row_status:
            self._note_change(record, decision, change, report)

    def _give_way(self, record: JobRecord, decision: Decision) -> Decision:
        """An open row that somebody else keeps setting is set right once; then it is left as it
        is until something new is known."""
        nothing_new = decision.rule == record.rule
        if decision.status.is_final or decision.status is record.job.status or not nothing_new:
            return decision
        if self._set_right.get(record.job.id) == decision.rule:
            return replace(decision, status=record.job.status)
        self._set_right[record.job.id] = decision.rule
        return decision

    def _note_change(
        self, record: JobRecord, decision: Decision, change: RowChange, report: PassReport
    ) -> None:
        after = change.status.value
        report.changes.append(Change(record.job.id, record.row_status, after, decision.reason))
        log.info(
            "row set",
            job=record.job.id,
            before=record.row_status,
            after=after,
            failure=change.failure.value if change.failure else None,
            reason=clean_text(decision.reason, 500),
        )
        if change.status.is_final:
            self._measure(record, decision, change)
        if decision.interrupt and decision.prompt_id is not None:
            self._interrupt(record, decision.prompt_id)

    def _measure(self, record: JobRecord, decision: Decision, change: RowChange) -> None:
        prompts = (p for p in record.prompts if p.prompt_id == decision.prompt_id)
        ending = next((p.ending for p in prompts), None)
        # How long a person took is no reaction of ours.
        ended_at = None if ending is None or decision.rule == ACCEPTED else ending.ended_at
        metrics.job_ended(
            change.status.value,
            change.failure.value if change.failure else None,
            change.server or record.server,
            None if ended_at is None else self.clock.now() - ended_at,
        )

    def _interrupt(self, record: JobRecord, prompt_id: str) -> None:
        """Tells the server to give up a stalled prompt. A node that hangs may ignore it."""
        prompt = next(p for p in record.prompts if p.prompt_id == prompt_id)
        server = self.gatherer.servers.get(prompt.server or "")
        if server is None or not server.trusted():
            return
        prompt.interrupted_by_us = True
        self.store.jobs.save_prompts([prompt])
        try:
            server.client.interrupt(prompt_id)
            log.info("interrupted", job=record.job.id, prompt=prompt_id)
        except ServerError as error:
            log.warning("interrupt failed", job=record.job.id, error=str(error))

    def _forget_all_but(self, records: list[JobRecord]) -> None:
        """Nothing is remembered of jobs that are not judged any more."""
        job_ids = {record.job.id for record in records}
        self._set_right = {k: rule for k, rule in self._set_right.items() if k in job_ids}
        self._progress_at = {k: at for k, at in self._progress_at.items() if k in job_ids}


def _closed(record: JobRecord) -> Event:
    known, now = record.known_status, record.row_status
    reason = f"the application set the row to {now}: left alone"
    return Event("application", reason, from_status=known, to_status=now)


def _oldest_open(records: list[JobRecord]) -> float | None:
    opened = [r.job.opened_at for r in records if r.prompts and not r.job.status.is_final]
    return min(opened, default=None)
