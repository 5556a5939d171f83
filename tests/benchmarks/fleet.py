"""Many agents on one Postgres: commits, latency, and what waits for what."""

from __future__ import annotations

import json
import select
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import psycopg2.extras
from rich.console import Console
from rich.table import Table

from reconciler.store import open_store
from reconciler.store import server_programs as programs
from tests.benchmarks.report import tail
from tests.postgres import PGBOUNCER, Postgres, pgbouncer

#: Processes that the agents are spread over: their Python is not to be what saturates.
_PROCESSES = 4
_LISTENERS = 5
_POSTGRES = "fsync = on\nmax_connections = 700\nshared_buffers = 256MB\nmax_wal_size = 2GB"
_POOLER = "max_client_conn = 700\ndefault_pool_size = 20\nmin_pool_size = 20"
_SAMPLE_S = 0.05


@dataclass(frozen=True)
class Fleet:
    """How many agents do what."""

    name: str
    agents: int = 200
    #: Changes of progress a second and agent; 0 = as many as go.
    rate: float = 4.0
    #: Jobs that an agent runs, written in one transaction.
    jobs: int = 1
    relaxed: bool = False
    #: NOTIFY: after the commit, inside the transaction, or never.
    notify: str = "after"
    pooled: bool = False


#: The agents of a fleet, and then as many writes as go: what is the ceiling, and who sets it.
FLEETS = (
    Fleet("as few writes as reconcile.progress_s allows", rate=1.0),
    Fleet("as many as the pack tells"),
    Fleet("NOTIFY inside the transaction", notify="inside"),
    Fleet("no NOTIFY", notify="never"),
    Fleet("progress may be lost", relaxed=True),
    Fleet("through PgBouncer", pooled=True),
    Fleet("ceiling", agents=32, rate=0),
    Fleet("ceiling, NOTIFY inside the transaction", agents=32, rate=0, notify="inside"),
    Fleet("ceiling, no NOTIFY", agents=32, rate=0, notify="never"),
    Fleet("ceiling, progress may be lost", agents=32, rate=0, relaxed=True),
    Fleet("ceiling, 20 jobs in a transaction", agents=32, rate=0, jobs=20),
)


@dataclass(frozen=True)
class Seen:
    """What was measured."""

    fleet: Fleet
    seconds: float
    commits: float
    writes: int
    latencies_s: list[float]
    renewals_s: list[float]
    errors: int
    wal_mb: float
    fsyncs: float
    postgres_cpu: float
    clients_cpu: float
    connections: int
    #: Of the sessions that worked, by what they waited for; "CPU" = for nothing.
    waits: Counter[str]


def run(console: Console, *, quick: bool) -> None:
    """Measures every fleet on a Postgres of its own, and prints the table."""
    seconds = 5.0 if quick else 12.0
    with tempfile.TemporaryDirectory(prefix="reconciler-fleet-") as folder:
        home = Path(folder)
        home.chmod(0o711)
        server = Postgres(programs.installation(), home / "postgres", more=_POSTGRES)
        server.create()
        server.start()
        try:
            fleets = [each for each in FLEETS if not each.pooled or PGBOUNCER.exists()]
            _show(console, [measure(server, home, each, seconds) for each in fleets])
        finally:
            server.stop("immediate")


def measure(server: Postgres, home: Path, fleet: Fleet, seconds: float) -> Seen:
    """One fleet on fresh tables."""
    with ExitStack() as stack:
        url = _tables(server, fleet)
        through = url
        if fleet.pooled:
            through = stack.enter_context(pgbouncer(url, home / "pooler", _POOLER))
        stack.enter_context(_listening(url))
        sampler = stack.enter_context(_Sampler(url))
        processes = list(_start(through, fleet, seconds))
        before, cpu_s = _counters(url), _cpu_s(server)
        sampler.begin()
        told = [json.loads(process.communicate()[0]) for process in processes]
        cpu_s = _cpu_s(server) - cpu_s
        after = _counters(url)
    over_s = statistics.mean(each["wall_s"] for each in told)
    latencies_s = [s for each in told for s in each["latencies_s"]]
    return Seen(
        fleet,
        over_s,
        (after["commits"] - before["commits"]) / over_s,
        len(latencies_s),
        latencies_s,
        [s for each in told for s in each["renewals_s"]],
        sum(each["errors"] for each in told),
        (after["wal_bytes"] - before["wal_bytes"]) / 1e6 / over_s,
        (after["fsyncs"] - before["fsyncs"]) / over_s,
        cpu_s / over_s,
        sum(each["cpu_s"] for each in told) / over_s,
        sampler.connections,
        sampler.waits,
    )


def _tables(server: Postgres, fleet: Fleet) -> str:
    """A fresh database with the running jobs of each agent."""
    with closing(psycopg2.connect(server.url)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        cursor.execute("drop database if exists fleet with (force)")
        cursor.execute("create database fleet")
        cursor.execute(
            f"alter database fleet set synchronous_commit = {'off' if fleet.relaxed else 'on'}"
        )
    url = server.url.removesuffix("/postgres") + "/fleet"
    open_store(url).connection.close()
    with closing(psycopg2.connect(url)) as raw, raw, raw.cursor() as cursor:
        cursor.execute(
            "insert into production_jobs (comfyui_job_id, status, created_at)"
            " select 'p-' || n, 'processing', now() from generate_series(1, %s) n",
            (fleet.agents * fleet.jobs,),
        )
        cursor.execute(
            "insert into reconciler.job_state (job_id, known_status, server, rule, progress)"
            " select id::text, status, 'gpu' || ((id - 1) / %s), 'running', 0 from production_jobs",
            (fleet.jobs,),
        )
        cursor.execute(
            "insert into reconciler.prompts (prompt_id, job_id, attempt, server, ever_seen)"
            " select comfyui_job_id, id::text, 1, 'gpu' || ((id - 1) / %s), true"
            " from production_jobs",
            (fleet.jobs,),
        )
    with closing(psycopg2.connect(url)) as raw, raw.cursor() as cursor:
        raw.autocommit = True
        cursor.execute("vacuum analyze")
    return url


def _start(url: str, fleet: Fleet, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """The processes, each of which has said that its agents are about to begin."""
    share = fleet.agents // _PROCESSES
    started = []
    for number in range(_PROCESSES):
        command = [sys.executable, "-m", "tests.benchmarks.agents_load", url]
        command += ["--first", str(number * share), "--agents", str(share)]
        command += ["--rate", str(fleet.rate), "--seconds", str(seconds)]
        command += ["--jobs", str(fleet.jobs), "--notify", fleet.notify]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process


class _Sampler:
    """Looks at what sessions wait for, again and again."""

    def __init__(self, url: str) -> None:
        self.waits: Counter[str] = Counter()
        self.connections = 0
        self._url = url
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def begin(self) -> None:
        """From now on what is seen counts."""
        self._begun.set()

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._begun.set()
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(psycopg2.connect(self._url)) as raw, raw.cursor() as cursor:
            raw.autocommit = True
            self._begun.wait()
            while not self._over.wait(_SAMPLE_S):
                cursor.execute(
                    "select case when state <> 'active' then null"
                    "  else coalesce(wait_event_type || ' ' || wait_event, 'CPU') end, count(*)"
                    " from pg_stat_activity where application_name = 'reconciler' group by 1"
                )
                rows = cursor.fetchall()
                self.connections = max(self.connections, sum(number for _, number in rows))
                self.waits.update({what: number for what, number in rows if what is not None})


@contextmanager
def _listening(url: str) -> Iterator[None]:
    """Whoever shows rows: notifications have to be delivered to somebody."""
    raws = [psycopg2.connect(url) for _ in range(_LISTENERS)]
    over = threading.Event()
    for raw in raws:
        raw.autocommit = True
        with raw.cursor() as cursor:
            cursor.execute("listen reconciler")

    def hear() -> None:
        while not over.is_set():
            for raw in select.select(raws, [], [], 0.2)[0]:
                raw.poll()
                raw.notifies.clear()

    thread = threading.Thread(target=hear)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for raw in raws:
            raw.close()


def _counters(url: str) -> dict[str, Any]:
    statement = """
        select (select xact_commit from pg_stat_database where datname = 'fleet') as commits,
               (select wal_bytes from pg_stat_wal)::float8 as wal_bytes,
               (select sum(fsyncs) from pg_stat_io where object = 'wal')::float8 as fsyncs
    """
    with (
        closing(psycopg2.connect(url)) as raw,
        raw.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute(statement)
        row = cursor.fetchone()
    assert row is not None
    return dict(row)


def _cpu_s(server: Postgres) -> float:
    """Of the sessions too, which go on until the end of the measurement."""
    total = 0.0
    for process in server.processes():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _show(console: Console, seen: list[Seen]) -> None:
    table = Table(title="Agents on one Postgres", title_justify="left", box=None, pad_edge=False)
    titles = ("", "agents", "writes/s", "commits/s", "median ms", "99 % ms", "lease 99 % ms")
    for title in (
        *titles,
        "WAL MB/s",
        "fsyncs/s",
        "CPU Postgres",
        "CPU agents",
        "sessions",
        "late",
    ):
        table.add_column(title, justify="left" if not title else "right")
    for each in seen:
        wanted = each.fleet.agents * each.fleet.rate * each.seconds
        late = f"{100 * (1 - each.writes / wanted):.0f} %" if wanted else "-"
        table.add_row(
            each.fleet.name,
            str(each.fleet.agents),
            f"{each.writes * each.fleet.jobs / each.seconds:,.0f}",
            f"{each.commits:,.0f}",
            f"{statistics.median(each.latencies_s) * 1e3:.1f}",
            f"{tail(each.latencies_s) * 1e3:.0f}",
            f"{tail(each.renewals_s) * 1e3:.0f}" if each.renewals_s else "-",
            f"{each.wal_mb:.1f}",
            f"{each.fsyncs:,.0f}",
            f"{each.postgres_cpu:.2f}",
            f"{each.clients_cpu:.2f}",
            str(each.connections),
            late if not each.errors else f"{late}, {each.errors} errors",
        )
    console.print(table)
    for each in seen:
        total = each.waits.total() or 1
        shares = [f"{what} {100 * n / total:.0f} %" for what, n in each.waits.most_common(4)]
        console.print(f"{each.fleet.name}: sessions at work waited for {', '.join(shares)}")


if __name__ == "__main__":
    run(Console(width=160), quick="--quick" in sys.argv)
