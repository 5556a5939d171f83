"""One embedded Postgres for the whole session, and a fresh database for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.store import embedded
from tests.integration.servers import eventually, server_processes

_numbers = itertools.count(1)


#: In memory, where there is room for it: what is tested is not how busy the disk is.
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2_000_000_000


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """Where the servers' data lies: not under pytest's own folder, which every other session that
    starts closes again to all but its user, and the servers of root are not root's. Each session
    has ports of its own, so that none takes the one of another's server while that is stopped.
    """
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    folder = _MEMORY if roomy else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "FIRST_PORT", 16000 + os.getpid() * 20 % 15000)
        with tempfile.TemporaryDirectory(prefix="reconciler-tests-", dir=folder) as path:
            yield Path(path)


@pytest.fixture(scope="session")
def postgres_url(servers_dir: Path) -> Iterator[str]:
    """The superuser's URL of a server that lives as long as the session."""
    data_dir = servers_dir / "session"
    yield embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    eventually(lambda: not server_processes(data_dir), "no process is left behind")


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped after the test with whoever is still connected."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def module_database(postgres_url: str) -> Iterator[str]:
    """The same for a whole module, whose tests leave nothing behind."""
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture
def elsewhere(postgres_url: str) -> Iterator[str]:
    """The same once more, for what is not to lie in `database`."""
    with fresh_database(postgres_url) as url:
        yield url


@contextmanager
def fresh_database(postgres_url: str) -> Iterator[str]:
    """The same for those who share one among several tests."""
    name = f"test_{next(_numbers)}"
    execute(postgres_url, f'CREATE DATABASE "{name}"')
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def execute(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)


@pytest.fixture(scope="session")
def stopped_data_dir(servers_dir: Path) -> Path:
    """A data directory whose server was started once and stopped: to be copied, not used."""
    data_dir = servers_dir / "stopped"
    embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    return data_dir


@pytest.fixture
def new_data_dir(servers_dir: Path) -> Iterator[Path]:
    """A data directory of the test's own, not yet made; what runs on it is stopped afterwards."""
    path = servers_dir / f"data_{next(_numbers)}"
    yield path
    embedded.stop(path)
    eventually(lambda: not server_processes(path), "no process is left behind")
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def data_dir(stopped_data_dir: Path, new_data_dir: Path) -> Path:
    """The same, made, with a server that does not run."""
    subprocess.run(["cp", "-a", stopped_data_dir, new_data_dir], check=True)
    return new_data_dir
