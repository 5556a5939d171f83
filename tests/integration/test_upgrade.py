"""From the tables of the last release to ours, with what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import alembic.command
import pytest

from reconciler.store import Store, open_store
from reconciler.store.feed import FeedStore
from reconciler.store.job_filter import JobFilter
from reconciler.store.requests import Action
from reconciler.store.revision import found_revision, newest_revision
from tests.integration.conftest import execute

LAST_RELEASE = "0007"
#: A user like those of a database that somebody else looks after.
ROLE = "upgrading"
DATA = """
insert into {own}.job_state (job_id, attempt, known_status, opened_at, decided_at)
values ('1', 1, 'completed', now() - interval '2 h', now() - interval '1 h'),
       ('2', 1, 'processing', now(), now());
insert into {own}.prompts (prompt_id, job_id, attempt, server, running_since)
values ('p2', '2', 1, 'gpu1', now());
insert into {own}.events (job_id, attempt, kind, reason) values ('1', 1, 'seen', 'seen first');
"""
ROWS = """
create table public.production_jobs (
    id serial primary key, comfyui_job_id text, status text default 'queued');
insert into public.production_jobs (comfyui_job_id, status)
values ('p1', 'completed'), ('p2', 'processing');
"""


@pytest.fixture
def theirs(database: str, postgres_url: str) -> Iterator[str]:
    """The URL of the database as somebody has it who is no superuser."""
    name = urlsplit(database).path[1:]
    execute(postgres_url, f"create role {ROLE} login password 'x'")
    execute(database, f'grant create on database "{name}" to {ROLE}')
    execute(database, f"grant create on schema public to {ROLE}")
    parts = urlsplit(database)
    host = parts.netloc.rpartition("@")[2]
    yield parts._replace(netloc=f"{ROLE}:x@{host}").geturl()
    execute(database, f"drop owned by {ROLE}")
    execute(postgres_url, f"drop role {ROLE}")


def of_last_release(url: str, monkeypatch: pytest.MonkeyPatch, own: str, **where: Any) -> None:
    """Has its tables made, and something put into them."""
    upgrade = alembic.command.upgrade
    execute(url, ROWS)
    with monkeypatch.context() as patch:
        patch.setattr(alembic.command, "upgrade", lambda config, _: upgrade(config, LAST_RELEASE))
        open_store(url, **where).close()
    execute(where.get("own_url", url), DATA.format(own=own))


def works(store: Store) -> None:
    """What this release added is there for what was there before."""
    assert found_revision(store.connection) == newest_revision()
    assert FeedStore(store.connection).events(0, limit=9)[0].reason == "seen first"
    assert FeedStore(store.connection).writers() == frozenset()
    assert {view.id for view in store.pages.page(JobFilter()).jobs} == {"1", "2"}
    (asked,) = store.requests.ask(Action.CANCEL, ["2"], "somebody")
    assert (asked.attempt, store.requests.open()) == (1, [asked])
    (job,) = store.jobs.open_jobs(late_s=0.0)
    assert [prompt.prompt_id for prompt in job.prompts] == ["p2"]


def test_by_a_user_who_is_no_superuser(theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_last_release(theirs, monkeypatch, "reconciler")
    with closing(open_store(theirs)) as store:
        works(store)


def test_in_another_schema(theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_last_release(theirs, monkeypatch, "ours", own_schema="ours")
    with closing(open_store(theirs, own_schema="ours")) as store:
        works(store)


def test_in_another_database(
    database: str, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_last_release(database, monkeypatch, "reconciler", own_url=elsewhere)
    with closing(open_store(database, own_url=elsewhere)) as store:
        works(store)
