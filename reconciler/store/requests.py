"""What people ask of the service about a job: written by whoever asks, answered by the agent that
judges the job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg2.extras import Json

from reconciler.store import states
from reconciler.store.clean import clean_text
from reconciler.store.databases import Databases
from reconciler.store.output_ids import output_id
from reconciler.store.queries import query
from reconciler.store.records import Event

_MAX_NAME_CHARS = 100
#: Requests that are read at once, at most.
MAX_OPEN = 1000


class Action(StrEnum):
    """What can be asked for."""

    #: Delete its prompt from the queue, or interrupt it, and cancel the job.
    CANCEL = "cancel"
    #: Watch the job no longer; its row stays as it is.
    FORGET = "forget"
    #: Look at it and its files anew, also at one that has long ended.
    RECHECK = "recheck"
    #: Complete a failed job with the files that it has, as they are.
    ACCEPT = "accept"


class Outcome(StrEnum):
    """What became of a request."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Times: seconds since the epoch by the database's clock."""

    id: int
    job_id: str
    action: Action
    #: Of which attempt it was asked; None where the row was not seen yet.
    attempt: int | None
    asked_by: str
    asked_at: float
    #: None as long as nobody has answered.
    answered_at: float | None = None
    outcome: Outcome | None = None
    #: What became of it, in one sentence.
    answer: str | None = None


class RequestStore:
    """Requests in Postgres. Every method raises DatabaseError."""

    def __init__(self, databases: Databases) -> None:
        self._own = databases.own

    def ask(self, action: Action, job_ids: Sequence[str], asked_by: str) -> list[Request]:
        """Asks for something about jobs that are there. One that was asked for the same, and is not
        answered yet, is not asked twice: that request is returned."""
        name = clean_text(asked_by, _MAX_NAME_CHARS)
        wanted = list(dict.fromkeys(job_ids))
        with self._own.writing() as cursor:
            values = {"action": action.value, "asked_by": name, "job_ids": wanted}
            cursor.execute(query("lock_requests"), values)
            cursor.execute(query("ask"), values)
            new = [_request(row) for row in cursor.fetchall()]
            known = states.of_jobs(cursor, [request.job_id for request in new])
            states.tell(cursor, [_told(r, known, f"{name} asked: {action.value}") for r in new])
            cursor.execute(query("asked"), values)
            return [_request(row) for row in cursor.fetchall()]

    def open(self, *, limit: int = MAX_OPEN, but: Collection[int] = ()) -> list[Request]:
        """Those that nobody has answered, at most `limit` and none of `but`, oldest first."""
        with self._own.transaction() as cursor:
            cursor.execute(query("open_requests"), {"limit": limit, "but": list(but)})
            return [_request(row) for row in cursor.fetchall()]

    def of_job(self, job_id: str) -> list[Request]:
        """All that was asked about a job, oldest first."""
        with self._own.transaction() as cursor:
            cursor.execute(query("requests_of_job"), {"job_id": job_id})
            return [_request(row) for row in cursor.fetchall()]

    def some(self, ids: Collection[int]) -> list[Request]:
        """These requests, as far as they are there, oldest first."""
        with self._own.transaction() as cursor:
            cursor.execute(query("some_requests"), {"ids": list(ids)})
            return [_request(row) for row in cursor.fetchall()]

    def answer(self, answers: Mapping[Request, tuple[Outcome, str]]) -> None:
        """Says what became of requests, in their jobs' stories, too."""
        values = [
            {"id": request.id, "outcome": outcome.value, "answer": clean_text(words, 500)}
            for request, (outcome, words) in answers.items()
        ]
        by_id = {request.id: request for request in answers}
        with self._own.writing() as cursor:
            cursor.execute(query("answer_requests"), {"answers": Json(values)})
            answered = [by_id[row["id"]] for row in cursor.fetchall()]
            known = states.of_jobs(cursor, [request.job_id for request in answered])
            told = [
                _told(r, known, f"{r.action.value}: {answers[r][0].value}: {answers[r][1]}")
                for r in answered
            ]
            states.tell(cursor, told)

    def forget_orphans(self, ids: Sequence[str], *, forgotten: bool = True) -> list[str]:
        """Nobody wants to see these files among the orphans any more, or again. `ids`: see
        `output_ids`. Returns those that are orphans. A file that is written anew is shown again."""
        wanted = [bytes.fromhex(one) for one in ids]
        with self._own.writing() as cursor:
            values = {"ids": wanted, "forgotten": forgotten}
            cursor.execute(query("forget_orphans"), values)
            return [output_id(bytes(row["path"])) for row in cursor.fetchall()]

    def forget(self, request: Request, reason: str) -> None:
        """The job of this request is not watched any longer."""
        with self._own.writing() as cursor:
            values = {"job_id": request.job_id, "reason": clean_text(reason)}
            cursor.execute(query("forget_job"), values)

    def remember(self, request: Request) -> None:
        """The job of this request is watched again, if it was not."""
        with self._own.writing() as cursor:
            cursor.execute(query("remember_job"), {"job_id": request.job_id})


def _told(
    request: Request, known: Mapping[str, states.State], words: str
) -> tuple[str, int, Event]:
    attempt = known.get(request.job_id, states.UNSEEN)["attempt"] or 1
    evidence = {"request": request.id, "asked_by": request.asked_by}
    return request.job_id, attempt, Event("request", words, evidence=evidence)


def _request(row: Mapping[str, Any]) -> Request:
    return Request(
        **dict(row)
        | {
            "action": Action(row["action"]),
            "outcome": None if row["outcome"] is None else Outcome(row["outcome"]),
        }
    )
