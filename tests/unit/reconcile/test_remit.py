"""Which jobs are whose to judge, and what is news to those who only look for prompts."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.evidence import Ending, EndKind, Source
from reconciler.core.jobs import Job, Status
from reconciler.reconcile.remit import SILENT_S, Remit, server_of
from reconciler.store.leases import LeaseRecord
from reconciler.store.records import JobRecord, PromptRecord

ENDED = Ending(EndKind.SUCCESS, Source.HISTORY)


def record(*servers: str | None, job_id: str = "1", **more: Any) -> JobRecord:
    """An open job whose prompts are on these servers."""
    prompts = [PromptRecord(f"p{n}", job_id, 1, server=server) for n, server in enumerate(servers)]
    job = Job(job_id, Status.QUEUED, None, 1, None, 0.0)
    values = {"known_status": "queued", "prompts": prompts, **more}
    return JobRecord(job, "queued", None, None, **values)


def lease(server: str, agent: str | None = "other", **more: Any) -> LeaseRecord:
    return LeaseRecord(server, agent, 1, agent is not None, **more)


@pytest.fixture
def remit() -> Remit:
    """That of an agent which has `mine`; another has `theirs`, and `idle` was given back."""
    made = Remit()
    leases = [lease("mine", "me"), lease("theirs", renewed_at=100.0), lease("idle", None)]
    made.take(leases, {"mine"}, unknown=False, now=110.0)
    return made


def test_a_single_reconciler_judges_everything() -> None:
    assert all(Remit().judges(one) for one in (record(), record("gpu"), record(row_server="x")))


def test_jobs_are_judged_where_their_server_is(remit: Remit) -> None:
    judged = {name: remit.judges(record(name)) for name in ("mine", "theirs", "idle")}
    assert judged == {"mine": True, "theirs": False, "idle": False}
    assert not remit.judges(record())
    assert not remit.judges(record("never heard of")), "one judges it, and not every agent"
    remit.unknown = True
    assert remit.judges(record())
    assert not remit.judges(record("idle")), "nobody asks that server, so nothing is concluded"
    assert remit.judges(record("never heard of")), "it is looked for everywhere"


def test_the_row_has_the_first_word_and_an_open_prompt_the_next() -> None:
    assert server_of(record("a", row_server="b")) == "b"
    both = record("a", "b")
    assert server_of(both) == "b"
    both.prompts[1].ending = ENDED
    assert server_of(both) == "a"
    both.prompts[0].attempt = 0
    assert server_of(both) == "b"
    assert server_of(record(None)) is None


def test_a_job_of_no_known_server_is_news_once_it_was_seen(remit: Remit) -> None:
    unseen = record(known_status=None)
    assert not remit.has_news([unseen])
    assert remit.has_news([record()])
    assert not remit.has_news([record()])
    assert remit.has_news([record(), record(job_id="2")])
    assert not remit.has_news([record("theirs", job_id="3")])


def test_a_server_that_was_given_back_a_moment_ago_may_still_know_a_prompt() -> None:
    """Its agent is being restarted, say: as if it had crashed, nothing counts as missing yet."""
    prompt, made = PromptRecord("p", "1", 1), Remit()
    stopped = lease("theirs", None, renewed_at=100.0)
    made.take([lease("mine", "me"), stopped], {"mine"}, unknown=True, now=110.0)
    assert not made.counts(prompt, 110.0)
    made.take([lease("mine", "me"), stopped], {"mine"}, unknown=True, now=100.0 + SILENT_S)
    assert made.counts(prompt, 100.0 + SILENT_S), "it may never come back"
    made.take([lease("mine", "me"), lease("new", None)], {"mine"}, unknown=True, now=110.0)
    assert made.counts(prompt, 110.0), "no agent ever had it"
