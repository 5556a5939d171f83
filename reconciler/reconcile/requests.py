"""What people asked for: carried out in the passes, and answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from reconciler.core.asked import ACCEPTED, accepted
from reconciler.core.case import Decision
from reconciler.core.evidence import FileState, Place
from reconciler.core.jobs import Status
from reconciler.errors import OutputError, ServerError
from reconciler.reconcile.files import Answer
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.servers import WatchedServer
from reconciler.store import Store
from reconciler.store.records import JobRecord, PromptRecord
from reconciler.store.requests import MAX_OPEN, Action, Outcome, Request

log = structlog.get_logger(__name__)

#: Before a server is asked again to give up a prompt that is still there, in seconds.
ASK_AGAIN_S = 10.0
#: For so long after something was asked every pass looks at the servers, in seconds; then only when
#: it would have done so anyway.
URGENT_S = 5.0
#: Requests that are not ours to answer make room for others for so long, in seconds.
PASS_OVER_S = 60.0
#: Files that an answer names.
TOLD_FILES = 3


@dataclass
class Requests:
    """The requests that nobody has answered yet. One for all passes; not thread-safe."""

    store: Store
    gatherer: Gatherer
    #: Requests that one pass takes, at most.
    limit: int = MAX_OPEN
    _open: list[Request] = field(default_factory=list)
    #: Those that an earlier pass has taken.
    _known: set[int] = field(default_factory=set)
    #: Those that are new, or were asked for a moment ago.
    _urgent: set[int] = field(default_factory=set)
    #: When a server was asked last to give up a prompt.
    _asked_at: dict[str, float] = field(default_factory=dict)
    #: The files that each request to look again has doubted, and what was known of all of them
    #: before the job was judged last; None while some are still being inspected.
    _doubted: dict[int, dict[Path, WatchedServer]] = field(default_factory=dict)
    _looked_up: dict[int, list[str] | None] = field(default_factory=dict)
    #: Where there are more than one pass takes: those that are not ours, and when that was seen.
    _passed_over: dict[int, float] = field(default_factory=dict)

    def take(self) -> bool:
        """Reads what was asked for, before the rows are read. True where anything is urgent."""
        now, known = self.gatherer.clock.now(), self._known
        self._passed_over = {
            key: at for key, at in self._passed_over.items() if 0 <= now - at < PASS_OVER_S
        }
        self._open = self.store.requests.open(limit=self.limit, but=self._passed_over)
        ids = {request.id for request in self._open}
        self._doubted = {key: files for key, files in self._doubted.items() if key in ids}
        self._known = ids | self._passed_over.keys()
        self._urgent = {
            r.id for r in self._open if r.id not in known or now - r.asked_at < URGENT_S
        }
        return bool(self._urgent)

    @property
    def job_ids(self) -> list[str]:
        """The jobs that something was asked about."""
        return list(dict.fromkeys(request.job_id for request in self._open))

    def asks(self, job_id: str, action: Action) -> Request | None:
        """The request for this about a job."""
        return next((r for r in self._open if (r.job_id, r.action) == (job_id, action)), None)

    @property
    def searches(self) -> bool:
        """True where a job is to be looked at anew: in histories, and of those that failed. Not in
        each pass for ever: it may be another agent's, that is gone."""
        return any(r.action is Action.RECHECK and r.id in self._urgent for r in self._open)

    def cancelled_by(self, record: JobRecord) -> str | None:
        """Who wants this job cancelled."""
        request = self.asks(record.job.id, Action.CANCEL)
        return None if request is None or _is_over(request, record) else request.asked_by

    def accepted(self, record: JobRecord) -> Decision | None:
        """The decision that a person has taken about a job; None where there is none."""
        request = self.asks(record.job.id, Action.ACCEPT)
        if request is None or _is_over(request, record) or not _may_be_accepted(record):
            return None
        return accepted(record.job, self.gatherer.files.of_record(record), request.asked_by)

    def carry_out(self, records: Iterable[JobRecord]) -> None:
        """Does what is to be done before these jobs are judged."""
        by_id = {record.job.id: record for record in records}
        for request in self._open:
            record = by_id.get(request.job_id)
            if record is None or not self.gatherer.remit.judges(record):
                continue
            with self.gatherer.troubles.apart(request.job_id):
                if request.action is Action.CANCEL and not _is_over(request, record):
                    self._cancel(record)
                elif request.action is Action.RECHECK:
                    self._doubt(request, record)
                    self._looked_up[request.id] = self._look_up(request)

    def answer(self, records: Iterable[JobRecord], now_final: dict[str, str]) -> None:
        """Says what became of each request about these jobs. `now_final`: the statuses that this
        pass has written, by job."""
        by_id = {record.job.id: record for record in records}
        answers = {}
        now, is_full = self.gatherer.clock.now(), len(self._open) >= self.limit
        for request in self._open:
            record = by_id.get(request.job_id)
            if record is None or not self.gatherer.remit.judges(record):
                if is_full:
                    self._passed_over[request.id] = now
                continue
            status = now_final.get(request.job_id, record.row_status)
            with self.gatherer.troubles.apart(request.job_id):
                if (answer := self._answer(request, record, Status(status))) is not None:
                    answers[request] = answer
        gone = self._gone(by_id)
        if answers or gone:
            self.store.requests.answer(answers | gone)
        for request, (outcome, words) in answers.items():
            log.info(request.action.value, job=request.job_id, outcome=outcome.value, answer=words)

    def _answer(
        self, request: Request, record: JobRecord, status: Status
    ) -> tuple[Outcome, str] | None:
        if _is_over(request, record) and request.action is not Action.RECHECK:
            return Outcome.REFUSED, "a new attempt has begun since it was asked"
        match request.action:
            case Action.CANCEL:
                return _of_cancel(status)
            case Action.FORGET:
                return self._forget(request, record, status)
            case Action.ACCEPT:
                return self._of_accept(request, record, status)
            case Action.RECHECK:
                return self._of_recheck(request, record, status)

    def _cancel(self, record: JobRecord) -> None:
        """Has the servers give up what they have of the job. A cooperative interrupt may be waited
        for, so it is asked for once in a while only."""
        if record.job.status.is_final:
            return
        now = self.gatherer.clock.now()
        for prompt in record.attempted:
            server = self.gatherer.servers.get(prompt.server or "")
            if server is None or prompt.ending is not None or not server.trusted():
                continue
            if now - self._asked_at.get(prompt.prompt_id, float("-inf")) < ASK_AGAIN_S:
                continue
            self._asked_at[prompt.prompt_id] = now
            self._give_up(server, prompt)

    def _give_up(self, server: WatchedServer, prompt: PromptRecord) -> None:
        place, _, _ = server.find(prompt.prompt_id)
        try:
            if place is Place.PENDING:
                server.client.remove_pending(prompt.prompt_id)
            # It may have begun to run since it was looked for.
            if place in (Place.PENDING, Place.RUNNING):
                server.client.interrupt(prompt.prompt_id)
        except ServerError as error:
            log.warning("not given up yet", job=prompt.job_id, error=str(error))

    def _doubt(self, request: Request, record: JobRecord) -> None:
        """Has every file of the job inspected anew."""
        if request.id in self._doubted:
            return
        self.store.requests.remember(request)
        self._doubted[request.id] = self.gatherer.files.of_job(record)
        for path, server in self._doubted[request.id].items():
            server.book.doubt(path)

    def _look_up(self, request: Request) -> list[str] | None:
        """What is known of each of those files; None while some are being inspected."""
        told = []
        for path, server in self._doubted[request.id].items():
            try:
                answer = server.book.look_up(path)
            except OutputError as error:
                told.append(str(error))
                continue
            if answer.state is FileState.UNCHECKED:
                return None
            told.append(f"{path.name}: {_in_words(answer)}")
        return told

    def _forget(
        self, request: Request, record: JobRecord, status: Status
    ) -> tuple[Outcome, str] | None:
        revocable = record.job.failure is not None and not record.job.failure.is_permanent
        if status.is_final and not (status is Status.FAILED and revocable):
            return Outcome.REFUSED, f"it is {status}: nothing of it is watched any more"
        words = "its row stays as it is; nobody looks for its end any more"
        self.store.requests.forget(request, f"forgotten, as {request.asked_by} asked: {words}")
        return Outcome.DONE, words

    def _of_accept(
        self, request: Request, record: JobRecord, status: Status
    ) -> tuple[Outcome, str] | None:
        if status is Status.COMPLETED:
            # Also by an earlier pass, that was killed before it answered.
            fresh = record.job.status is not Status.COMPLETED or record.rule == ACCEPTED
            return (Outcome.DONE, "completed") if fresh else (Outcome.REFUSED, "it is completed")
        if not _may_be_accepted(record):
            return Outcome.REFUSED, f"it is {status}: only what failed can be accepted as it is"
        if accepted(record.job, self.gatherer.files.of_record(record), request.asked_by) is None:
            waiting = any(
                file.state in (FileState.UNCHECKED, FileState.UNSETTLED)
                for file in self.gatherer.files.of_record(record)
            )
            return None if waiting else (Outcome.REFUSED, "no file of it is there")
        return None  # the row changed under our hands: the next pass writes it

    def _of_recheck(
        self, request: Request, record: JobRecord, status: Status
    ) -> tuple[Outcome, str] | None:
        told = self._looked_up.pop(request.id, None)
        if told is None:
            return None
        more = f" and {len(told) - TOLD_FILES} more" if len(told) > TOLD_FILES else ""
        files = f"{'; '.join(told[:TOLD_FILES])}{more}" or "it has no files"
        return Outcome.DONE, f"looked again: the job is {status}; {files}"

    def _gone(self, found: Collection[str]) -> dict[Request, tuple[Outcome, str]]:
        """Requests about rows that are there no more."""
        missing = [r for r in self._open if r.job_id not in found]
        if not missing or not self.gatherer.remit.unknown:
            return {}
        known = self.store.views.known({request.job_id for request in missing})
        words = "there is no such row any more"
        return {r: (Outcome.REFUSED, words) for r in missing if r.job_id not in known}


def _in_words(answer: Answer) -> str:
    if answer.state is FileState.SOUND:
        return "whole"
    if answer.state is FileState.ABSENT or answer.record is None:
        return "not there" if answer.state is FileState.ABSENT else f"{answer.state}"
    defects = answer.record.inspection.get("defects", ())
    said = [str(defect.get("detail", "")) for defect in defects]
    return said[0] if said else str(answer.record.inspection.get("unjudged") or answer.state)


def _is_over(request: Request, record: JobRecord) -> bool:
    """It was asked of an attempt that another has followed."""
    return request.attempt not in (None, record.job.attempt)


def _may_be_accepted(record: JobRecord) -> bool:
    validating = record.job.status is Status.PROCESSING and record.rule == "validating"
    return record.job.status is Status.FAILED or validating


def _of_cancel(status: Status) -> tuple[Outcome, str] | None:
    if status is Status.CANCELLED:
        return Outcome.DONE, "cancelled"
    return (Outcome.REFUSED, f"it is {status}: it had ended before") if status.is_final else None
