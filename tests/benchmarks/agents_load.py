"""One agent of many, as Postgres sees it: its heartbeat, its leases, and the progress of one job.

`python -m tests.benchmarks.agents_load` runs a share of the agents in this process, tells what it
measured as one line of JSON, and ends. `fleet.py` starts several such processes.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

from reconciler.core.jobs import Status
from reconciler.core.lease import Lease, LeaseTerms
from reconciler.errors import DatabaseError
from reconciler.store import Store, open_store, states
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.connection import Connection, Cursor
from reconciler.store.leases import LeaseStore
from reconciler.store.queries import query
from reconciler.store.records import Event, JobRecord, RowChange, Write

#: A job's progress goes from 1 to 99, and then the next job of the agent's begins.
STEPS = 99


@dataclass(frozen=True)
class Load:
    """What an agent does."""

    url: str
    #: Changes of progress a second; 0 = as many as go.
    rate: float
    seconds: float
    #: Jobs whose progress goes into one transaction: those that one agent runs.
    jobs: int = 1
    takeover_s: float = 30.0


@dataclass
class Told:
    """What the agents of this process measured."""

    latencies_s: list[float] = field(default_factory=list)
    renewals_s: list[float] = field(default_factory=list)
    errors: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, latencies_s: list[float], renewals_s: list[float], errors: int) -> None:
        """What one agent measured."""
        with self._lock:
            self.latencies_s += latencies_s
            self.renewals_s += renewals_s
            self.errors += errors


class Agent:
    """Its statements are the store's own, on the two connections that an agent has."""

    def __init__(self, load: Load, number: int, begin: threading.Barrier, told: Told) -> None:
        self._load, self._number, self._begin, self._told = load, number, begin, told
        self._server = f"gpu{number}"
        self._terms = LeaseTerms(load.takeover_s)
        self._latencies_s: list[float] = []
        self._renewals_s: list[float] = []
        self._errors = 0

    def run(self) -> None:
        """Until its time is over."""
        store = open_store(self._load.url, create=False, connect_timeout_s=60.0)
        with closing(self._connection()) as own:
            identity = Identity(self._server, "bench", [self._server])
            agents = AgentStore(own)
            leases = LeaseStore(own, agents, identity, self._terms)
            agents.note(identity)
            leases.name([self._server])
            held = [Lease(name, n) for name, n in leases.acquire([self._server]).items()]
            store.connection.guard = leases.guard(frozenset(held))
            records = self._jobs(store)
            self._begin.wait()
            self._work(store, leases, held, records)
        store.connection.close()
        self._told.add(self._latencies_s, self._renewals_s, self._errors)

    def _connection(self) -> Connection:
        return Connection(self._load.url, connect_timeout_s=60.0, statement_timeout_s=30.0)

    def _jobs(self, store: Store) -> list[JobRecord]:
        """Its own running jobs; `fleet.py` made their rows."""
        first = self._number * self._load.jobs + 1
        mine = {str(first + n) for n in range(self._load.jobs)}
        return [r for r in store.jobs.open_jobs(late_s=0.0) if r.job.id in mine]

    def _work(
        self, store: Store, leases: LeaseStore, held: list[Lease], records: list[JobRecord]
    ) -> None:
        now_s = time.monotonic()
        period_s = 1 / self._load.rate if self._load.rate else 0.0
        end_s, due_s = now_s + self._load.seconds, now_s + random.random() * period_s
        renewal_s = now_s + random.random() * self._terms.renew_s
        while (now_s := time.monotonic()) < end_s:
            if now_s >= renewal_s:
                renewal_s += self._terms.renew_s
                self._timed(self._renewals_s, lambda: leases.renew(held, {}, None))
            elif now_s >= due_s:
                due_s = max(due_s + period_s, now_s - 1.0)  # one that lags behind catches up
                self._timed(self._latencies_s, lambda: self._progress(store, records))
            else:
                time.sleep(max(0.0, min(due_s, renewal_s, end_s) - now_s))

    def _timed(self, into: list[float], work: Callable[[], object]) -> None:
        began_s = time.perf_counter()
        try:
            work()
        except DatabaseError:
            self._errors += 1
        into.append(time.perf_counter() - began_s)

    def _progress(self, store: Store, records: list[JobRecord]) -> None:
        """The next step of each job; after the last, an event and the next attempt's first."""
        writes = [self._step(record) for record in records]
        store.jobs.write_many(writes)
        for number, write in enumerate(writes):
            change = write.change
            records[number] = replace(write.record, progress=change.progress, rule=change.rule)

    def _step(self, record: JobRecord) -> Write:
        last = (record.progress or 0) >= STEPS
        rule = record.rule or "running"
        if last:
            rule = "validating" if rule == "running" else "running"
        change = RowChange(
            status=Status.PROCESSING,
            failure=None,
            stage="running",
            server=self._server,
            prompt_id=record.row_prompt_id,
            queue_position=None,
            progress=1 if last else (record.progress or 0) + 1,
            eta_s=120.0,
            rule=rule,
            reason=f"running on {self._server}",
            output_path=None,
        )
        event = Event("stage", change.reason, rule=rule) if last else None
        return Write(record, change, event, touch_row=True)


def _notify_inside(cursor: Cursor, payload: str) -> None:
    """As part of the transaction, as it was once."""
    cursor.execute(query("notify"), {"payload": payload})


def main() -> None:
    """A share of the agents."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--agents", type=int, default=1)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--notify", choices=("after", "inside", "never"), default="after")
    given = parser.parse_args()
    if given.notify != "after":  # as it is
        states.notify = {"inside": _notify_inside, "never": lambda cursor, payload: None}[
            given.notify
        ]
    load = Load(given.url, given.rate, given.seconds, given.jobs)
    told, begin = Told(), threading.Barrier(given.agents + 1, timeout=300.0)
    agents = [Agent(load, given.first + n, begin, told) for n in range(given.agents)]
    threads = [threading.Thread(target=agent.run) for agent in agents]
    for thread in threads:
        thread.start()
    begin.wait()
    cpu_s, wall_s = time.process_time(), time.monotonic()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "latencies_s": told.latencies_s,
                "renewals_s": told.renewals_s,
                "errors": told.errors,
                "cpu_s": time.process_time() - cpu_s,
                "wall_s": time.monotonic() - wall_s,
            }
        )
    )


if __name__ == "__main__":
    main()
