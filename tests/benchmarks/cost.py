"""What a process costs: CPU time of its own, of its children and of its Postgres backends."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass

import psutil
import psycopg2


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in percent of one core, and memory."""

    cpu_percent: float
    #: What Postgres did for it, in percent of one core.
    database_cpu_percent: float
    rss_bytes: int
    #: How long it was measured, in seconds.
    over_s: float


class Meter:
    """Measures from its making until `read`."""

    def __init__(self, pid: int, database_url: str) -> None:
        self._process = psutil.Process(pid)
        self._backends = [psutil.Process(pid) for pid in _backends(database_url)]
        self._began_s = time.monotonic()
        self._began = self._cpu_s()

    def read(self) -> Cost:
        """The cost since the beginning."""
        over_s = time.monotonic() - self._began_s
        own_s, database_s = (
            now - then for now, then in zip(self._cpu_s(), self._began, strict=True)
        )
        rss_bytes = self._process.memory_info().rss
        return Cost(100 * own_s / over_s, 100 * database_s / over_s, rss_bytes, over_s)

    def _cpu_s(self) -> tuple[float, float]:
        own_s = sum(self._process.cpu_times()[:4])  # own and waited-for children's, user and system
        for child in self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                own_s += sum(child.cpu_times()[:4])
        database_s = 0.0
        for backend in self._backends:
            with suppress(psutil.NoSuchProcess):
                database_s += sum(backend.cpu_times()[:2])
        return own_s, database_s


def _backends(database_url: str) -> list[int]:
    """Backends of the reconciler, which gives its name to its connections."""
    statement = (
        "select pid from pg_stat_activity"
        " where datname = current_database() and application_name = 'reconciler'"
    )
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [pid for (pid,) in cursor.fetchall()]
