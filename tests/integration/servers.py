"""Real processes for the tests of the embedded Postgres: users of it, and those it consists of."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
import psycopg2

DEADLINE_S = 30.0

#: Waits for a line, starts or finds the server, says its URL, then lives until it is killed.
_USER = """
import sys
from pathlib import Path
from reconciler.store import embedded
print("ready", flush=True)
sys.stdin.readline()
print(embedded.ensure_running(Path(sys.argv[1])), flush=True)
sys.stdin.readline()
"""


def ask(url: str, question: str) -> list[tuple[object, ...]]:
    """Run a statement, commit it, and return its rows."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
    return rows


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fail after the deadline."""
    never = threading.Event()
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        never.wait(0.005)


def server_processes(data_dir: Path) -> list[psutil.Process]:
    """Every living process that works in the server's data: the postmaster and its children."""
    return [process for process, _parent in _families(data_dir)]


def postmasters(data_dir: Path) -> list[psutil.Process]:
    """Those of them whose parent is not one of them."""
    found = _families(data_dir)
    ids = {process.pid for process, _parent in found}
    return [process for process, parent in found if parent not in ids]


def _families(data_dir: Path) -> list[tuple[psutil.Process, int]]:
    """The processes with their parents' ids; some end while one looks."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()) == data_dir.resolve() / "postgres" / "data":
                found.append((process, process.ppid()))
    return found


def kill_postmaster(data_dir: Path) -> None:
    """Kill -9 of the postmaster, and of nothing else."""
    (postmaster,) = postmasters(data_dir)
    postmaster.kill()
    eventually(lambda: postmaster not in server_processes(data_dir), "the postmaster is gone")


class User:
    """Another process that uses the embedded server, as the service and the CLI do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        """The next line that it says."""
        return _pipe(self.process.stdout).readline().strip()

    def go(self) -> None:
        """Let it call `ensure_running`."""
        stdin = _pipe(self.process.stdin)
        stdin.write("\n")
        stdin.flush()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()


@contextmanager
def user(data_dir: Path, environment: Mapping[str, str] | None = None) -> Iterator[User]:
    """Such a process, up to the point before it calls `ensure_running`."""
    with subprocess.Popen(
        [sys.executable, "-c", _USER, str(data_dir)],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            one = User(process)
            assert one.line() == "ready"
            yield one
        finally:
            one.kill()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream
