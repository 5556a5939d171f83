"""One pass: read the rows, look, gather, decide, write."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import structlog

from reconciler.core.case import Decision
from reconciler.core.decide import decide
from reconciler.core.jobs import Status
from reconciler.core.policy import Policy
from reconciler.errors import DatabaseError, OutsideOutput, ServerError, StatementRefused
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.progress import Estimator, Progress
from reconciler.store import Store
from reconciler.store.clean import clean_text
from reconciler.store.records import Event, JobRecord, RowChange

log = structlog.get_logger(__name__)

#: By how much the stored time to go may be off before it is stored anew.
ETA_TOLERANCE = 0.05


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
    #: When the oldest open job was opened; None where no job is open.
    oldest_open: float | None = None
    #: What only our own state is to say anew (a place in the queue): written together at the end,
    #: since each end moves all that wait behind it, and rows come first.
    states: list[tuple[JobRecord, RowChange]] = field(default_factory=list)


@dataclass
class Reconciler:
    """Runs passes. Not thread-safe: one thread runs them, one after the other."""

    store: Store
    gatherer: Gatherer
    clock: DatabaseClock
    policy: Policy
    #: How long after a verdict a late success is looked for, in seconds.
    late_s: float
    #: Jobs that could not be judged or written, and why: told once.
    _troubled: dict[str, str] = field(default_factory=dict)

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
        searches the newest history for tags of rows without a prompt. `only` judges one job.
        """
        self.clock.set(self.store.jobs.now())
        records = self._admit(self.store.jobs.open_jobs(late_s=self.late_s))
        new = any(record.known_status is None for record in records)
        names = list(self.gatherer.servers) if look_at is None or new else look_at
        self.gatherer.look(names)
        self.gatherer.link(records, search_history=search_history)
        if only is not None:
            records = [record for record in records if record.job.id == only]
        asked = [r for r in records if search_history or not r.job.status.is_final]
        self.gatherer.place(asked)
        rest = [] if search_history else [r for r in records if r.job.status.is_final]
        self.gatherer.place(rest, ask_history=False)
        opened = [r.job.opened_at for r in records if not r.job.status.is_final]
        report = PassReport(oldest_open=min(opened, default=None))
        gatherer = self.gatherer
        estimator = Estimator(records, gatherer.servers, gatherer.live, self.clock, self.policy)
        for record in records:
            self._judge_alone(record, report, estimator)
        self._troubled = {job: self._troubled[job] for job in report.troubled}
        if report.states:
            self.store.jobs.write_states(report.states)
        return report

    def _admit(self, records: list[JobRecord]) -> list[JobRecord]:
        """Follows what the application did to the rows; returns those to judge."""
        return [record for record in records if self._admitted(record)]

    def _admitted(self, record: JobRecord) -> bool:
        job, known = record.job, record.known_status
        if known is None:
            self.store.jobs.see(record)
            return True
        was_final = known not in (Status.QUEUED.value, Status.PROCESSING.value)
        if not was_final and job.status.is_final:
            reason = f"the application set the row to {record.row_status}: left alone"
            event = Event("application", reason, from_status=known, to_status=record.row_status)
            self.store.jobs.follow(record, event)
            return False
        if was_final and not job.status.is_final:
            return self._reopened(record)
        return True

    def _reopened(self, record: JobRecord) -> bool:
        """A final row is open again: a new attempt, or something that keeps overwriting it."""
        known = record.known_status
        ended = any(
            p.prompt_id == record.row_prompt_id and p.ending is not None for p in record.prompts
        )
        overwritten = record.overwritten + 1 if ended else 0
        if overwritten > 2:
            return False
        if overwritten == 2:
            reason = f"the row was set from {known} to {record.row_status} again, against its"
            reason += " prompt's known end: left alone from now on"
            log.warning("row keeps being overwritten", job=record.job.id)
            self.store.jobs.leave(record, overwritten=3, event=Event("warning", reason))
            return False
        reason = f"the row was reopened: {known} to {record.row_status}; a new attempt begins"
        event = Event("reopened", reason, from_status=known, to_status=record.row_status)
        if self.store.jobs.reopen(record, overwritten=overwritten, event=event):
            attempt = record.job.attempt + 1
            record.job = replace(
                record.job, attempt=attempt, failure=None, opened_at=self.clock.now()
            )
            record.progress = record.eta_s = None
            for prompt in record.prompts:
                if prompt.prompt_id == record.row_prompt_id:
                    prompt.attempt, prompt.missing_looks, prompt.missing_since = attempt, 0, None
                    prompt.last_sign_at = self.clock.now()
        return True

    def _judge_alone(self, record: JobRecord, report: PassReport, estimator: Estimator) -> None:
        """Judges one job, whose troubles are its own: the others must not wait for it."""
        try:
            self._judge(record, report, estimator)
            return
        except StatementRefused as error:
            self._note_trouble(record.job.id, str(error))
        except DatabaseError:
            raise
        except Exception as error:
            if self._note_trouble(record.job.id, f"{type(error).__name__}: {error}"):
                log.exception("a defect: please report it", job=record.job.id)
        report.troubled.add(record.job.id)

    def _note_trouble(self, job_id: str, words: str) -> bool:
        """Logs why a job cannot be judged or written; True if it is news."""
        if self._troubled.get(job_id) == words:
            return False
        self._troubled[job_id] = words
        log.error("job left as it was", job=job_id, error=clean_text(words, 500))
        return True

    def _judge(self, record: JobRecord, report: PassReport, estimator: Estimator) -> None:
        decision = self._decide(record)
        if decision.needs_second_look:
            decision = self._second_look(record, decision)
        report.judged += 1
        report.decisions[record.job.id] = decision
        if decision.rule in ("final", "failed"):
            return  # the verdict stands, and so does the reason that was given for it
        progress = estimator.estimate(record, decision)
        change = _change(record, decision, progress)
        touch_row = _touches_row(record, change)
        event = _event(record, decision, change)
        if not touch_row and event is None:
            if _state_differs(record, change):
                report.states.append((record, change))
            return
        if not self.store.jobs.write(record, change, event, touch_row=touch_row):
            report.conflicts += 1
            log.info("row changed meanwhile: looking again", job=record.job.id)
            return
        if change.status.value != record.row_status:
            self._note_change(record, decision, change, report)

    def _decide(self, record: JobRecord) -> Decision:
        evidence = self.gatherer.evidence(record)
        return decide(record.job, evidence, self.policy, self.clock.now())

    def _second_look(self, record: JobRecord, first: Decision) -> Decision:
        """Silence or absence is blamed: ask the server once more before it is written."""
        servers = {p.server for p in record.prompts if p.server} or set(self.gatherer.servers)
        self.gatherer.look(servers)
        self.gatherer.place([record])
        second = self._decide(record)
        if (second.status, second.failure) != (first.status, first.failure):
            log.info("second look: no verdict", job=record.job.id, first=first.reason)
        return second

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
        if change.status is Status.COMPLETED:
            try:
                self.gatherer.files.attribute(record)
            except OutsideOutput as error:
                log.warning("output not attributed", job=record.job.id, reason=str(error))
        if decision.interrupt and decision.prompt_id is not None:
            self._interrupt(record, decision.prompt_id)

    def _interrupt(self, record: JobRecord, prompt_id: str) -> None:
        """Tells the server to give up a stalled prompt. A node that hangs may ignore it."""
        prompt = next(p for p in record.prompts if p.prompt_id == prompt_id)
        server = self.gatherer.servers.get(prompt.server or "")
        if server is None:
            return
        prompt.interrupted_by_us = True
        self.store.jobs.save_prompts([prompt])
        try:
            server.client.interrupt(prompt_id)
            log.info("interrupted", job=record.job.id, prompt=prompt_id)
        except ServerError as error:
            log.warning("interrupt failed", job=record.job.id, error=str(error))


def _change(record: JobRecord, decision: Decision, progress: Progress) -> RowChange:
    final = decision.status.is_final
    server = next(
        (p.server for p in record.prompts if p.prompt_id == decision.prompt_id), record.server
    )
    kept = decision.stage is None and not final
    return RowChange(
        status=decision.status,
        failure=decision.failure,
        stage=record.stage if kept else (decision.stage.value if decision.stage else None),
        server=server,
        prompt_id=decision.prompt_id or record.row_prompt_id,
        queue_position=decision.position,
        progress=progress.percent,
        eta_s=progress.eta_s,
        rule=decision.rule,
        reason=decision.reason,
        output_path=decision.output_path,
    )


def _touches_row(record: JobRecord, change: RowChange) -> bool:
    """True where something that the application sees in its row is to change."""
    return (
        change.status.value != record.row_status
        or (change.progress is not None and change.progress != record.row_progress)
        or (record.row_prompt_id is None and change.prompt_id is not None)
    ) and not (record.job.status.is_final and change.status == record.job.status)


def _state_differs(record: JobRecord, change: RowChange) -> bool:
    before_s, after_s = record.eta_s or 0.0, change.eta_s or 0.0
    # It moves with every second; nobody needs minutes to be exact to the second.
    eta_moved = abs(after_s - before_s) >= max(1.0, ETA_TOLERANCE * before_s)
    return eta_moved or (
        record.stage,
        record.queue_position,
        record.rule,
        record.reason,
        record.server,
    ) != (change.stage, change.queue_position, change.rule, change.reason, change.server)


def _event(record: JobRecord, decision: Decision, change: RowChange) -> Event | None:
    """The sentence of the story, where there is something new to tell."""
    if change.status.value != record.row_status:
        kind = "late_success" if decision.rule == "late_success" else "status"
    elif decision.rule != record.rule:
        kind = "late_success" if decision.rule == "late_success" else "stage"
    else:
        return None
    return Event(
        kind,
        decision.reason,
        from_status=record.row_status,
        to_status=change.status.value,
        failure=change.failure.value if change.failure else None,
        rule=decision.rule,
        evidence=decision.evidence,
    )
