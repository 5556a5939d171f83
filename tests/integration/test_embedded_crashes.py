"""The embedded Postgres when processes start it at one moment, or die at a bad one (kill -9)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from reconciler.store import embedded
from tests.integration.servers import (
    ask,
    eventually,
    kill_postmaster,
    postmasters,
    user,
)


@pytest.mark.parametrize("made", [True, False], ids=["existing data", "first start ever"])
def test_service_and_cli_start_at_the_same_moment(
    request: pytest.FixtureRequest, made: bool, tmp_path: Path
) -> None:
    data_dir: Path = request.getfixturevalue("data_dir" if made else "new_data_dir")
    with ExitStack() as stack:
        users = []
        for name in ("service", "cli", "another"):
            (tmp_path / name).mkdir(mode=0o700)
            own = {"XDG_RUNTIME_DIR": str(tmp_path / name)}
            users.append(stack.enter_context(user(data_dir, own)))
        for one in users:
            one.go()
        urls = {one.line() for one in users}
        assert urls == {embedded.url_if_running(data_dir)}
        assert len(postmasters(data_dir)) == 1


def test_the_server_outlives_whoever_started_it_and_whoever_found_it(data_dir: Path) -> None:
    with user(data_dir) as service, user(data_dir) as cli:
        service.go()
        url = service.line()
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        cli.go()
        assert cli.line() == url
        (postmaster,) = postmasters(data_dir)
        service.kill()
        assert ask(url, "SELECT answer FROM kept") == [(42,)]
        cli.kill()
        assert embedded.ensure_running(data_dir) == url
        assert ask(url, "SELECT answer FROM kept") == [(42,)]
    assert postmasters(data_dir) == [postmaster]


def test_a_killed_postmaster_loses_nothing_committed(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    with closing(psycopg2.connect(url)):
        kill_postmaster(data_dir)
        assert embedded.url_if_running(data_dir) is None
        assert embedded.ensure_running(data_dir) == url
    assert ask(url, "SELECT count(*), sum(number) FROM kept") == [(1000, 500500)]
    assert len(postmasters(data_dir)) == 1


def test_two_find_the_postmaster_killed_at_the_same_moment(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    with user(data_dir) as service, user(data_dir) as cli:
        kill_postmaster(data_dir)
        service.go()
        cli.go()
        assert service.line() == cli.line() == url
    assert len(postmasters(data_dir)) == 1


def test_killed_while_it_makes_the_data(new_data_dir: Path) -> None:
    """initdb outlives its parent, and writes on while the next one makes the data."""
    with user(new_data_dir) as service:
        service.go()
        begun = "postgres.new-*/data/PG_VERSION"
        eventually(lambda: list(new_data_dir.glob(begun)), "initdb has begun")
        service.kill()
    url = embedded.ensure_running(new_data_dir)
    assert ask(url, "SELECT 1") == [(1,)]
    assert len(postmasters(new_data_dir)) == 1


def test_killed_while_the_server_starts(data_dir: Path) -> None:
    with user(data_dir) as service:
        service.go()
        eventually((data_dir / "postgres/data/postmaster.pid").exists, "the server has begun")
        service.kill()
    url = embedded.ensure_running(data_dir)
    assert ask(url, "SELECT 1") == [(1,)]
    assert len(postmasters(data_dir)) == 1


def test_the_lock_is_not_left_to_the_server(data_dir: Path) -> None:
    """Else nobody could stop or start it as long as it runs."""
    embedded.ensure_running(data_dir)
    (postmaster,) = postmasters(data_dir)
    opened = {entry.resolve() for entry in Path(f"/proc/{postmaster.pid}/fd").iterdir()}
    assert data_dir / "postgres/log" in opened
    assert data_dir / "postgres.lock" not in opened


@contextmanager
def _zombie(uid: int) -> Iterator[int]:
    with subprocess.Popen(["true"], user=uid) as process:
        one = psutil.Process(process.pid)
        eventually(lambda: one.status() == psutil.STATUS_ZOMBIE, "it has ended, unnoticed")
        yield process.pid


@contextmanager
def _another(uid: int) -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"], user=uid) as process:
        yield process.pid
        process.kill()


@contextmanager
def _nobody(uid: int) -> Iterator[int]:
    with subprocess.Popen(["true"], user=uid) as process:
        pass
    yield process.pid


@pytest.mark.parametrize("owner", [_zombie, _another, _nobody])
def test_a_pid_file_whose_id_is_not_the_servers_any_more(
    data_dir: Path, owner: Callable[[int], AbstractContextManager[int]]
) -> None:
    """After a crash of the machine or container it may be anybody's, of the same account too."""
    url = embedded.ensure_running(data_dir)
    pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    kill_postmaster(data_dir)
    with owner(pid_file.stat().st_uid) as pid:
        pid_file.write_text("\n".join([str(pid), *rest]) + "\n")
        embedded.stop(data_dir)
        assert psutil.pid_exists(pid) == (owner is not _nobody)
        assert embedded.url_if_running(data_dir) is None
        assert embedded.ensure_running(data_dir) == url
    assert ask(url, "SELECT 1") == [(1,)]


def test_sessions_of_a_killed_server_are_waited_for(data_dir: Path) -> None:
    """Two servers at work on the same data would ruin it."""
    url = embedded.ensure_running(data_dir)
    with closing(psycopg2.connect(url)) as connection, user(data_dir) as cli:
        session = psutil.Process(connection.get_backend_pid())
        session.suspend()
        kill_postmaster(data_dir)
        cli.go()
        log = data_dir / "postgres" / "log"
        phrase = b"pre-existing shared memory block"
        eventually(lambda: phrase in log.read_bytes(), "the new server sees the old session")
        assert postmasters(data_dir) == [session]
        session.resume()
        assert cli.line() == url
    assert session not in postmasters(data_dir)
