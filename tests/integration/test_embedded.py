"""The embedded Postgres: started once, found by everybody, stopped when told."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from reconciler.store import embedded
from reconciler.store.server_programs import installation
from tests.integration.servers import (
    ask,
    eventually,
    postmasters,
    server_processes,
    user,
)


def test_nothing_runs_and_nothing_is_made_by_asking(tmp_path: Path) -> None:
    assert embedded.url_if_running(tmp_path / "none") is None
    embedded.stop(tmp_path / "none")
    assert embedded.stop_if_idle(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_start_a_second_call_and_a_stop(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    assert embedded.ensure_running(data_dir) == url
    assert embedded.url_if_running(data_dir) == url
    assert len(postmasters(data_dir)) == 1
    embedded.stop(data_dir)
    assert embedded.url_if_running(data_dir) is None
    eventually(lambda: not server_processes(data_dir), "no process is left behind")


def test_data_and_url_stay_over_a_restart(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    ask(url, "CREATE TABLE kept AS SELECT 'Größe' AS word")
    embedded.stop(data_dir)
    assert embedded.ensure_running(data_dir) == url
    assert ask(url, "SELECT upper(word) FROM kept") == [("GRÖßE",)]


def test_commits_are_durable(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert ask(url, f"SHOW {setting}") == [("on",)], setting


@pytest.mark.parametrize(
    "name",
    ["with space and ünïcödé 動画", 'it\'s "$(touch ran)" `touch ran`; %s', "long" * 45],
    ids=["space", "shell", "long"],
)
def test_any_path_will_do(new_data_dir: Path, name: str) -> None:
    data_dir = new_data_dir / name
    url = embedded.ensure_running(data_dir)
    assert embedded.url_if_running(data_dir) == url
    embedded.stop(data_dir)
    assert embedded.ensure_running(data_dir) == url
    embedded.stop(data_dir)
    eventually(lambda: not server_processes(data_dir), "no process is left behind")
    assert list(new_data_dir.rglob("ran")) == []


def test_a_symbolic_link_leads_to_the_same_server(data_dir: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(data_dir)
    assert embedded.ensure_running(link) == embedded.ensure_running(data_dir)


def test_psql_of_another_user_reaches_it(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    shown = subprocess.run(
        [installation() / "psql", url, "-Atc", "SELECT 6 * 7"],
        user="nobody" if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "42\n"


def test_only_who_knows_the_password_gets_in(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    port = urlsplit(url).port
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", passfile="/dev/null")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(f"postgresql://postgres:guess@127.0.0.1:{port}/postgres")
    for secret in (data_dir / "postgres.url", data_dir / "postgres" / "password"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_it_listens_on_the_loopback_alone(data_dir: Path) -> None:
    embedded.ensure_running(data_dir)
    (postmaster,) = postmasters(data_dir)
    listening = postmaster.net_connections(kind="all")
    assert {entry.laddr.ip for entry in listening if entry.family == socket.AF_INET} == {
        "127.0.0.1"
    }
    assert not list((data_dir / "postgres" / "data").glob(".s.PGSQL*"))


def test_folders_above_the_data_stay_unreadable_to_others(data_dir: Path) -> None:
    data_dir.chmod(0o700)
    embedded.ensure_running(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) & 0o066 == 0


def test_it_is_not_root_s_process(data_dir: Path) -> None:
    embedded.ensure_running(data_dir)
    (postmaster,) = postmasters(data_dir)
    assert postmaster.uids().real == (data_dir / "postgres").stat().st_uid != 0


def test_the_environment_of_whoever_starts_it_does_not_matter(
    data_dir: Path, tmp_path: Path
) -> None:
    strange = {
        "LC_ALL": "xx_XX.nonsense",
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGSSLMODE": "require",
        "XDG_RUNTIME_DIR": str(tmp_path / "missing"),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
    }
    with user(data_dir, strange) as starter:
        starter.go()
        assert starter.line() == embedded.ensure_running(data_dir)
    (postmaster,) = postmasters(data_dir)
    assert strange.keys() - postmaster.environ().keys() == strange.keys() - {"LC_ALL", "PGDATA"}


def test_another_program_on_its_port_makes_it_move(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT_S", 2)
    first = embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", urlsplit(first).port or 0))
        squatter.listen()
        second = embedded.ensure_running(data_dir)
    assert urlsplit(second).port != urlsplit(first).port
    assert embedded.url_if_running(data_dir) == second


def test_two_data_directories_are_two_servers(data_dir: Path, postgres_url: str) -> None:
    url = embedded.ensure_running(data_dir)
    ask(url, "CREATE TABLE ours ()")
    assert ask(postgres_url, "SELECT to_regclass('ours')") == [(None,)]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"garbage", b"postgresql://u:p@127.0.0.1:1/x"]
)
def test_a_stale_url_file_is_seen_through(data_dir: Path, content: bytes) -> None:
    url = embedded.ensure_running(data_dir)
    (data_dir / "postgres.url").write_bytes(content)
    assert embedded.url_if_running(data_dir) is None
    assert embedded.ensure_running(data_dir) == url
    assert len(postmasters(data_dir)) == 1
    assert (data_dir / "postgres.url").read_text() == url + "\n"


def test_the_url_of_another_server_is_stale(data_dir: Path, postgres_url: str) -> None:
    (data_dir / "postgres.url").write_text(postgres_url)
    assert embedded.url_if_running(data_dir) is None
    url = embedded.ensure_running(data_dir)
    assert url != postgres_url
    assert embedded.url_if_running(data_dir) == url


def test_a_copy_does_not_take_the_original_for_its_own(data_dir: Path) -> None:
    original = embedded.ensure_running(data_dir)
    embedded.stop(data_dir)
    copy = data_dir.with_name("copy")
    subprocess.run(["cp", "-a", data_dir, copy], check=True)
    assert embedded.ensure_running(data_dir) == original
    assert embedded.url_if_running(copy) is None
    assert embedded.ensure_running(copy) != original
    embedded.stop(copy)
    assert embedded.url_if_running(data_dir) == original


def test_a_server_in_use_is_not_stopped_by_the_way(data_dir: Path) -> None:
    url = embedded.ensure_running(data_dir)
    with closing(psycopg2.connect(url)):
        assert not embedded.stop_if_idle(data_dir)
        assert embedded.url_if_running(data_dir) == url
    eventually(lambda: embedded.stop_if_idle(data_dir), "its last client has left")
    eventually(lambda: not server_processes(data_dir), "no process is left behind")


def test_a_huge_log_is_put_aside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.cluster.LOG_LIMIT_BYTES", 10)
    old = (data_dir / "postgres" / "log").read_bytes()
    embedded.ensure_running(data_dir)
    assert (data_dir / "postgres" / "log.old").read_bytes() == old
    assert b"ready to accept connections" in (data_dir / "postgres" / "log").read_bytes()


def test_root_starts_it_as_the_owner_of_the_data_directory(new_data_dir: Path) -> None:
    """Whoever owns the folder can use, start and stop what root left in it."""
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
    new_data_dir.mkdir()
    os.chown(new_data_dir, owner, -1)
    embedded.ensure_running(new_data_dir)
    (postmaster,) = postmasters(new_data_dir)
    assert postmaster.uids().real == owner
    for name in ("postgres.url", "postgres.lock", "postgres", "postgres/password"):
        assert (new_data_dir / name).stat().st_uid == owner, name
