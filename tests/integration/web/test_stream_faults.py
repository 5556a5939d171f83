"""The stream through what happens to its database: kills, restarts, cut connections, a pooler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from reconciler.store import server_programs
from tests.faults.proxy import postgres_proxy, proxied_url
from tests.integration.conftest import execute
from tests.integration.web.serving import prepared, serving
from tests.integration.web.streaming import all_ids, listening, write_many
from tests.postgres import NO_PGBOUNCER, PGBOUNCER, Postgres, pgbouncer
from tests.waiting import wait_for


@pytest.fixture
def server(servers_dir: Path) -> Iterator[Postgres]:
    """A Postgres of the test's own."""
    made = Postgres(server_programs.installation(), servers_dir / "streamed")
    made.create()
    made.start()
    yield made
    made.stop("immediate")


def test_it_lives_through_a_kill_and_a_restart_of_postgres(
    server: Postgres, tmp_path: Path
) -> None:
    url = prepared(server.url)
    with serving(tmp_path, url) as client, listening(client) as ear:
        ear.wait("hello")
        write_many(url, 5, seed=1)
        wait_for(lambda: ear.ids == all_ids(url), "they are heard")
        server.kill()
        ear.wait("problem")
        with listening(client, after=ear.ids[-1]) as late:
            late.wait("hello")
            server.start()
            ear.wait("recovered")
            write_many(url, 20, seed=2)
            for each in (ear, late):
                wait_for(lambda each=each: each.ids[-1:] == all_ids(url)[-1:], "it goes on")
            assert ear.ids == all_ids(url) and late.ids == ear.ids[-len(late.ids) :]
            assert not ear.of("resync") and not ear.over.is_set()


def test_what_was_told_while_its_connections_were_cut_is_told_afterwards(
    database: str, tmp_path: Path
) -> None:
    prepared(database)
    with (
        postgres_proxy(database) as proxy,
        serving(tmp_path, proxied_url(database, proxy.port)) as client,
        listening(client) as ear,
    ):
        ear.wait("hello")
        proxy.refuse()
        proxy.cut()
        ear.wait("problem")
        write_many(database, 30, seed=1)
        proxy.accept()
        ear.wait("recovered")
        wait_for(lambda: ear.ids == all_ids(database), "nothing is missed")


def test_a_database_that_was_set_back_is_told(database: str, tmp_path: Path) -> None:
    prepared(database)
    write_many(database, 20, seed=1)
    with serving(tmp_path, database) as client, listening(client) as ear:
        ear.wait("hello")
        execute(
            database,
            "truncate reconciler.events restart identity;"
            "insert into reconciler.events (job_id, attempt, kind, reason)"
            " values ('new', 1, 'note', 'told')",
        )
        execute(
            database,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()",
        )
        ear.wait("resync")
        write_many(database, 3, seed=2)
        wait_for(lambda: ear.ids[-1:] == all_ids(database)[-1:], "it goes on from there")


@pytest.mark.skipif(not PGBOUNCER.exists(), reason=NO_PGBOUNCER)
def test_behind_a_pooler_it_is_polled_for(database: str, servers_dir: Path, tmp_path: Path) -> None:
    prepared(database)
    with (
        pgbouncer(database, servers_dir / "pooler-of-the-stream") as pooled,
        serving(tmp_path, pooled) as client,
        listening(client) as ear,
    ):
        ear.wait("hello")
        write_many(database, 20, seed=1)
        wait_for(lambda: ear.ids == all_ids(database), "in order, within a second or so")


def test_a_role_that_may_only_read_hears_it_all(database: str, tmp_path: Path) -> None:
    prepared(database)
    execute(
        database,
        "do $$ begin if not exists (select from pg_roles where rolname = 'only_reads') then"
        " create role only_reads login password 'reads'; end if; end $$;"
        "grant usage on schema reconciler, public to only_reads;"
        "grant select on all tables in schema reconciler, public to only_reads",
    )
    parts = urlsplit(database)
    url = parts._replace(netloc=f"only_reads:reads@{parts.netloc.rpartition('@')[2]}").geturl()
    try:
        with serving(tmp_path, url) as client, listening(client) as ear:
            ear.wait("hello")
            write_many(database, 20, seed=1)
            wait_for(lambda: ear.ids == all_ids(database), "it hears them")
    finally:
        execute(database, "drop owned by only_reads")
