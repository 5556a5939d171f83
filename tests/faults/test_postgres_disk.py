"""The disk of Postgres is full: nothing can be written there, then it crashes; then there is room.

The disk is a tmpfs of a few megabytes, which takes root; elsewhere the test is skipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from tests.faults.conftest import Figure
from tests.faults.postgres_trial import LIMITS, World, survive, world
from tests.waiting import wait_for

SIZE = "96m"
_PAGE_BYTES = 8192

Fault = Callable[[World], AbstractContextManager[None]]


@pytest.fixture
def small_disk(servers_dir: Path) -> Iterator[Path]:
    """A disk that is nearly full with a new cluster on it."""
    folder = servers_dir / "small disk"
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def full(stage: World) -> Iterator[None]:
    """Not a byte is left: a row that does not fit on its page is refused, and the log of writes
    cannot grow."""
    filler = stage.server.home / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(_PAGE_BYTES))
    wait_for(lambda: _is_refused(stage), "an application's row is refused")
    try:
        yield
    finally:
        filler.unlink()
        if not stage.server.processes():  # it crashed, and found no room to come back
            stage.server.start()


def _is_refused(stage: World) -> bool:
    try:
        stage.rows.sql(
            "insert into production_jobs (status, metadata)"
            " select 'cancelled', jsonb_build_object('n', n) from generate_series(1, 1000) n"
        )
    except psycopg2.Error:
        return True
    return False


def _crash(stage: World) -> None:
    """Writes until there is no room for the log of writes either."""
    with suppress(psycopg2.Error), closing(psycopg2.connect(stage.server.url)) as own:
        own.autocommit = True
        with own.cursor() as cursor:
            while True:
                cursor.execute("select pg_logical_emit_message(false, 'fill', repeat('x', 100000))")


@contextmanager
def full_and_crashed(stage: World) -> Iterator[None]:
    with full(stage):
        _crash(stage)
        yield


@pytest.mark.parametrize("fault", [full, full_and_crashed])
def test_a_full_disk(
    small_disk: Path, tmp_path: Path, long: bool, figure: Figure, fault: Fault
) -> None:
    if not long:
        pytest.skip("takes a server of its own: in make faults")
    with world(small_disk / "home", tmp_path, LIMITS) as stage:
        words = survive(stage, fault(stage), 10.0)
        log = (stage.server.home / "log").read_text(encoding="utf-8", errors="replace")
    crashed = "Postgres crashed" if "PANIC" in log else "Postgres lives"
    assert ("PANIC" in log) is (fault is full_and_crashed)
    figure(f"{crashed}, {log.count('No space left')} complaints; {words}")
