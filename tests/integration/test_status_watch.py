"""`reconciler status --watch` as a process: on a terminal, and into a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2

from tests.integration.conftest import execute
from tests.integration.web.serving import prepared
from tests.integration.web.streaming import write_many
from tests.waiting import wait_for

COMMAND = [Path(sys.executable).with_name("reconciler"), "status", "--watch", "--database"]
OTHER_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"
CURSOR_SHOWN = b"\x1b[?25h"


class Terminal:
    """The command on a terminal of 80 by 24, and all that it wrote there."""

    def __init__(self, url: str) -> None:
        self._main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")}
        self.process = subprocess.Popen(
            [*COMMAND, url],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(side)
        self.shown = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._main, 65536):
                self.shown += part
        except OSError:
            pass  # the other side was closed

    def resize(self, lines: int, columns: int) -> None:
        """As a person drags the window."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join(10.0)
        os.close(self._main)


@contextmanager
def terminal(url: str) -> Iterator[Terminal]:
    made = Terminal(url)
    try:
        yield made
    finally:
        made.close()


def test_it_shows_changes_as_they_happen_and_leaves_the_terminal_clean(database: str) -> None:
    prepared(database)
    execute(database, "insert into production_jobs (comfyui_job_id) values ('p1')")
    with terminal(database) as screen:
        wait_for(lambda: b"1 queued" in screen.shown, "the job is shown")
        assert OTHER_SCREEN in screen.shown
        execute(
            database,
            "update production_jobs set status = 'failed', error = 'broken: for good';"
            "insert into reconciler.job_state (job_id, known_status) select id, 'failed'"
            " from production_jobs",
        )
        wait_for(lambda: b"1 failed" in screen.shown and b"broken" in screen.shown, "it changes")
        before = len(screen.shown)
        screen.resize(30, 50)
        wait_for(lambda: b"Ctrl-C ends" in screen.shown[before:], "it is drawn anew")
        screen.process.send_signal(signal.SIGINT)
        assert screen.process.wait(20.0) == 0
        wait_for(lambda: BACK in screen.shown, "the other screen is left")
        assert CURSOR_SHOWN in screen.shown[screen.shown.rindex(OTHER_SCREEN) :]
        assert b"Traceback" not in screen.shown


def test_it_says_that_the_database_is_away_and_goes_on(database: str, postgres_url: str) -> None:
    prepared(database)
    execute(database, "insert into production_jobs (comfyui_job_id) values ('p1')")
    name = database.rpartition("/")[2]
    with terminal(database) as screen:
        wait_for(lambda: b"1 queued" in screen.shown, "the job is shown")
        execute(postgres_url, f'alter database "{name}" allow_connections false')
        try:
            execute(
                postgres_url,
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
            )
            wait_for(lambda: b"has not answered" in screen.shown, "it says so")
        finally:
            execute(postgres_url, f'alter database "{name}" allow_connections true')
        execute(database, "update production_jobs set status = 'cancelled'")
        wait_for(lambda: b"1 cancelled" in screen.shown, "it goes on")
        screen.process.send_signal(signal.SIGTERM)
        assert screen.process.wait(20.0) == 0
        wait_for(lambda: BACK in screen.shown, "the other screen is left")


def test_into_a_pipe_it_writes_a_line_for_each_event(database: str, tmp_path: Path) -> None:
    prepared(database)
    written = tmp_path / "lines"
    with written.open("wb") as out:
        process = subprocess.Popen([*COMMAND, database], stdout=out, stderr=out)
        try:
            listens = (
                "select true from pg_stat_activity where query ilike 'listen%'"
                " and datname = current_database()"
            )
            with closing(psycopg2.connect(database)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:

                    def is_there() -> bool:
                        cursor.execute(listens)
                        return cursor.fetchone() is not None

                    wait_for(is_there, "it listens")

            def lines() -> list[str]:
                write_many(database, 1, seed=1)
                return written.read_text().splitlines()

            wait_for(lambda: len(lines()) >= 3, "each event has a line")
            assert all(
                "note" in line or "status" in line for line in written.read_text().splitlines()
            )
            process.send_signal(signal.SIGINT)
            assert process.wait(20.0) == 0
        finally:
            process.kill()
            process.wait()
