"""One embedded Postgres for the whole session, and a fresh database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.store import embedded

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URL of a server that lives as long as the session."""
    data_dir = tmp_path_factory.mktemp("postgres")
    yield embedded.ensure_running(data_dir)
    embedded.stop(data_dir)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped after the test with whoever is still connected."""
    name = f"test_{next(_numbers)}"
    execute(postgres_url, f'CREATE DATABASE "{name}"')
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def execute(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
