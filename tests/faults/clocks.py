"""Clocks that are set: a process's by Debian's libfaketime, a database's by functions in it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
needs_faketime = pytest.mark.skipif(
    not LIBRARIES, reason="needs Debian's package libfaketime (make test installs it as root)"
)
HOUR_S = 3600


class ProcessClock:
    """The wall clock of the processes that are started with its variables."""

    def __init__(self, folder: Path, ahead_s: int = 0) -> None:
        self._file = folder / "clock"
        self.set(ahead_s)

    @property
    def variables(self) -> dict[str, str]:
        """For the environment. Times of files and the monotonic clock stay what they are."""
        return {
            "LD_PRELOAD": os.fspath(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead_s: int) -> None:
        """So many seconds ahead of this machine's."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead_s:+d}")
        new.replace(self._file)


class DatabaseClock:
    """A database's `now()` and `clock_timestamp()`, for whoever connects from now on."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._run("create schema set_clock")
        self._run("create table set_clock.ahead as select interval '0' as by")
        for name in ("now", "clock_timestamp"):
            self._run(
                f"create function set_clock.{name}() returns timestamptz language sql volatile"
                f" as 'select pg_catalog.{name}() + by from set_clock.ahead'"
            )
        self._run(
            "do $$ begin execute format('alter database %I set search_path = public, set_clock,"
            " pg_catalog', current_database()); end $$"
        )

    def set(self, ahead_s: int) -> None:
        """So many seconds ahead of the true one."""
        self._run(f"update set_clock.ahead set by = interval '{ahead_s} s'")

    def _run(self, statement: str) -> None:
        with closing(psycopg2.connect(self._url)) as connection, connection:
            connection.cursor().execute(statement)
