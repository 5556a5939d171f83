"""Our own tables in another schema, or in another database than the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.errors import DatabaseError
from reconciler.settings.jobs import JobsSettings
from reconciler.store import intentions, open_store
from reconciler.store.listening import Listener
from reconciler.store.table_writes import TableWrites
from tests.integration.reconciling import success
from tests.integration.studio_tables import STUDIO_TABLES, WITH_TRIGGER, StudioTable
from tests.integration.tables import Stage, play, run_sql, stage

P1 = "11111111-1111-4111-8111-111111111111"


def schemas(url: str) -> set[str]:
    """The schemas that somebody made there."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select nspname from pg_namespace where nspname !~ '^(pg_|information_)'")
        return {name for (name,) in cursor.fetchall()} - {"public"}


def test_in_another_schema(database: str, tmp_path: Path) -> None:
    with stage(
        database, tmp_path, WITH_TRIGGER.ddl, WITH_TRIGGER.mapping, own_schema="ours"
    ) as made:
        with Listener(made.store.connection) as listener:
            listener.wait(0.01)
            job = play(made, "completed", **WITH_TRIGGER.new_row)
            assert listener.wait(20.0), "the schema's name is the channel's"
        assert made.word(job) == "completed"
        assert made.store.views.one(job) is not None
        assert made.kinds(job)
    assert schemas(database) == {"ours"}


def test_two_reconcilers_in_one_database(database: str, tmp_path: Path) -> None:
    """Each with a table of its own, and the same keys in both."""
    run_sql(database, "create schema a; create schema b")
    made = [
        Stage(database, tmp_path / name, {}, table=f"{name}.jobs", own_schema=f"own_{name}")
        for name in ("a", "b")
        if run_sql(
            database,
            f"create table {name}.jobs (id int primary key, comfyui_job_id text,"
            " status text default 'queued')",
        )
        is None
    ]
    first, second = made
    with closing(first), closing(second):
        assert play(first, "completed", id=1) == play(second, "failed", id=1) == "1"
        first.passes(2)
        assert (first.word("1"), second.word("1")) == ("completed", "failed")
        assert "application" not in first.kinds("1") + second.kinds("1")
    assert schemas(database) == {"a", "b", "own_a", "own_b"}


@pytest.mark.parametrize(
    ("studio", "ending"),
    list(zip(STUDIO_TABLES, ("completed", "failed", "cancelled"), strict=True)),
)
def test_in_another_database(
    database: str, elsewhere: str, tmp_path: Path, studio: StudioTable, ending: str
) -> None:
    with stage(database, tmp_path, studio.ddl, studio.mapping, own_url=elsewhere) as made:
        job = play(made, ending, **studio.new_row)
        assert made.word(job) == ending
        view = made.store.views.one(job)
        assert view is not None
        assert view.status == ending
        assert [v.id for v in made.store.pages.listing(5)] == [job]
        assert made.store.views.known([job, "no key"]).keys() == {job}
        story = [event.event for event in made.store.jobs.story(job)]
        assert "application" not in {event.kind for event in story}
        assert len([event for event in story if event.to_status == ending]) == 1
    assert schemas(database) == set(), "nothing was made beside the rows"
    assert schemas(elsewhere) == {"reconciler"}


#: Ends every session in our own database at the instant at which the row's commit is sure.
CUT = """
create function cut() returns trigger language plpgsql as $$
begin
    perform pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{own}';
    return null;
end $$;
create constraint trigger cut after update on production_jobs
    deferrable initially deferred for each row
    when (new.status = 'completed') execute function cut();
"""
MEND = "drop trigger cut on production_jobs; drop function cut"


@pytest.fixture
def apart(database: str, elsewhere: str, tmp_path: Path) -> Iterator[Stage]:
    with stage(
        database, tmp_path, WITH_TRIGGER.ddl, WITH_TRIGGER.mapping, own_url=elsewhere
    ) as made:
        yield made


def about_to_complete(made: Stage) -> str:
    """A job whose file is sound, before the pass that says so."""
    job = made.insert(**WITH_TRIGGER.new_row, comfyui_job_id=P1)
    made.server.run(P1)
    made.passes(2)
    made.server.end(P1, success(made.image("a.png")))
    return job


def crash_between_the_commits(made: Stage, elsewhere: str) -> None:
    run_sql(made.url, CUT.format(own=urlsplit(elsewhere).path[1:]))
    with pytest.raises(DatabaseError):
        made.passes(4)
    run_sql(made.url, MEND)


def test_a_crash_between_row_and_story(apart: Stage, elsewhere: str) -> None:
    job = about_to_complete(apart)
    crash_between_the_commits(apart, elsewhere)
    assert apart.word(job) == "completed"
    assert apart.store.jobs.story(job)[-1].event.to_status != "completed"
    apart.passes(2)
    story = [event.event for event in apart.store.jobs.story(job)]
    assert [event.to_status for event in story].count("completed") == 1
    assert story[-1].to_status == "completed"
    assert story[-1].rule == "success"
    assert "application" not in {event.kind for event in story}


def test_the_application_is_quicker_than_the_next_pass(apart: Stage, elsewhere: str) -> None:
    """What it did after the crash is its own."""
    job = about_to_complete(apart)
    crash_between_the_commits(apart, elsewhere)
    apart.sql("update production_jobs set status = 'cancelled'")
    apart.passes(2)
    story = [event.event for event in apart.store.jobs.story(job)]
    assert apart.word(job) == "cancelled"
    assert story[-1].kind == "application"
    assert (story[-1].from_status, story[-1].to_status) == ("processing", "cancelled")


def test_a_crash_before_the_row(apart: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noted, and never written: the note is no news."""
    job = about_to_complete(apart)

    def fails(*_: Any) -> None:
        raise DatabaseError("the process died")

    with monkeypatch.context() as patch:
        patch.setattr(TableWrites, "write", fails)
        with pytest.raises(DatabaseError, match="died"):
            apart.passes(4)
    assert apart.word(job) == "processing"
    apart.passes(4)
    story = [event.event for event in apart.store.jobs.story(job)]
    assert apart.word(job) == "completed"
    assert [event.to_status for event in story].count("completed") == 1


def test_another_agent_looks_before_the_row_is_written(
    apart: Stage, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds a note and a row that does not say so yet. The row is then not written unnoted."""
    job = about_to_complete(apart)
    mapping = JobsSettings(**WITH_TRIGGER.mapping)
    other = open_store(apart.url, jobs=mapping, own_url=elsewhere)
    note = intentions.note

    def note_and_be_seen(*values: Any) -> None:
        note(*values)
        cursor = values[0]
        cursor.execute("commit")
        monkeypatch.setattr(intentions, "note", note)
        other.jobs.open_jobs(late_s=0.0)
        cursor.execute("begin")

    with closing(other):
        monkeypatch.setattr(intentions, "note", note_and_be_seen)
        crash_between_the_commits(apart, elsewhere)
        apart.passes(2)
    assert apart.word(job) == "completed"
    story = [event.event for event in apart.store.jobs.story(job)]
    assert [event.to_status for event in story].count("completed") == 1
    assert "application" not in {event.kind for event in story}


def test_what_the_application_does_to_a_locked_row_is_its_own(apart: Stage) -> None:
    """Our write steps back, and the row says then what we were about to say."""
    job = about_to_complete(apart)
    with closing(psycopg2.connect(apart.url)) as raw, raw.cursor() as cursor:
        cursor.execute("update production_jobs set status = 'completed'")
        apart.passes(4)
        raw.commit()
    apart.passes(2)
    story = [event.event for event in apart.store.jobs.story(job)]
    assert [event.kind for event in story if event.to_status == "completed"] == ["application"]


def test_no_database_of_ours(database: str) -> None:
    run_sql(database, WITH_TRIGGER.ddl)
    with pytest.raises(DatabaseError, match="Is the server running"):
        open_store(database, own_url="postgresql://127.0.0.1:1/nowhere", connect_timeout_s=1.0)
