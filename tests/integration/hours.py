"""Hours of one job on one server, in a moment: the real passes, and time that the test moves.

The world has its truth: the server, the network, the websocket, the storage, this machine's clock
and the database's. The reconciler sees of it what it could see, comes up and goes down.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from reconciler.core.expecting import ExpectPolicy
from reconciler.core.policy import Policy
from reconciler.errors import ServerRefused
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import Reconciler
from reconciler.reconcile.servers import WatchedServer, away_after_s
from reconciler.store.servers import ServerRecord
from tests.integration.reconciling import FakeServer, inspect_here

PROMPT = "11111111-1111-4111-8111-111111111111"
OURS = "reconciler-test"


class Time:
    """This machine's monotonic clock, and the database's, which is another's and may be set."""

    def __init__(self, on_change: Callable[[float], None] = lambda database_s: None) -> None:
        self.s = 10_000.0
        self._ahead_s = 1_700_000_000.0
        self._on_change = on_change
        on_change(self.database())

    def monotonic(self) -> float:
        return self.s

    def database(self) -> float:
        return self.s + self._ahead_s

    def move_to(self, s: float) -> None:
        self.s = s
        self._on_change(self.database())

    def set_database(self, by_s: float) -> None:
        """Somebody sets the database's clock forward, or back."""
        self._ahead_s += by_s
        self._on_change(self.database())


class PostgresTime:
    """Makes a database tell simulated time: `now()` and `clock_timestamp()`, in every statement
    and column default of whoever connects from now on."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute("create schema simulated")
            cursor.execute("create table simulated.clock (at timestamptz)")
            cursor.execute("insert into simulated.clock values ('epoch')")
            for name in ("now", "clock_timestamp"):
                cursor.execute(
                    f"create function simulated.{name}() returns timestamptz language sql stable"
                    " as 'select at from simulated.clock'"
                )
            cursor.execute("select current_database()")
            (name,) = cursor.fetchone() or ("",)
            cursor.execute(
                f'alter database "{name}" set search_path = public, simulated, pg_catalog'
            )

    def set(self, database_s: float) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("update simulated.clock set at = to_timestamp(%s)", (database_s,))

    def close(self) -> None:
        self._connection.close()


class InThisThread:
    """An executor that needs no thread: what is asked for is answered at once."""

    map = staticmethod(map)


@dataclass
class Hours:
    """Moves time; lets things happen to the world, and the reconciler look at it."""

    store: Any
    time: Time
    root: Path
    policy: Policy
    #: Seconds between two looks.
    every_s: float = 60.0
    #: Who submitted the prompt: by default somebody without a client id, so that all hear it.
    client_id: str | None = None
    node_types: dict[str, str] = field(default_factory=dict)
    server: FakeServer = field(default_factory=FakeServer)
    #: The reconciler, while it is up.
    reconciler: Reconciler | None = None
    #: Passes fail while the database is away; while the process is frozen nothing is heard either.
    database: bool = True
    frozen: bool = False
    network: bool = True
    #: The websocket is open; a deaf one seems to be, and nothing comes through it.
    socket: bool = True
    deaf: bool = False
    #: Decodes files; without it there are none.
    inspectors: ThreadPoolExecutor | None = None
    #: Late successes are looked for.
    search_history: bool = False
    _listening_since: float | None = None
    _late_signs: list[Callable[[], None]] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)
    _next_pass_s: float = 0.0
    _began_s: float = 0.0

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self._began_s = self._next_pass_s = self.time.s

    @property
    def s(self) -> float:
        """Seconds since the beginning."""
        return self.time.s - self._began_s

    def come_up(self) -> None:
        """A reconciler is started, with what the one before it left in the database."""
        clock, self.live = DatabaseClock(self.time.monotonic), LiveSigns(self.time.monotonic)
        clock.set(self.store.jobs.now())
        saved = {record.name: record for record in self.store.servers.all()}
        book = OutputBook(
            "gpu",
            self.root.resolve(),
            store=self.store.outputs,
            inspections=Inspections(self.inspectors),  # type: ignore[arg-type]
            inspect=inspect_here,
            on_answer=lambda path: None,
            clock=clock,
            unsound_confirm_s=0.0,
        )
        watched = WatchedServer(
            saved.get("gpu") or ServerRecord("gpu", "http://gpu.invalid"),
            self.server,
            book,
            str,
            client_id=OURS,
            listening_since=lambda: self._listening_since,
            away_s=away_after_s(self.every_s),
        )
        servers = {"gpu": watched}
        files = FileEvidence(servers, self.store.outputs, clock, ExpectPolicy(), 0.0)
        gatherer = Gatherer(
            self.store, servers, clock, self.live, files,
            InThisThread(),  # type: ignore[arg-type]
            watching_since=clock.now(),
        )  # fmt: skip
        self.reconciler = Reconciler(self.store, gatherer, clock, self.policy, late_s=86_400.0)
        self._next_pass_s = self.time.s
        self._connect()

    def go_down(self) -> None:
        """The reconciler is stopped, or killed: nothing is said on leaving."""
        self.reconciler = None
        self._connect()

    def set(self, **states: bool) -> None:
        """Sets `network`, `socket`, `deaf`, `database` or `frozen`."""
        for name, value in states.items():
            setattr(self, name, value)
        self.server.failing = None if self.network else ServerRefused("no route")
        self._connect()
        if not self.frozen:
            # What came meanwhile is heard after the first look, which is the worst moment.
            later, self._late_signs = self._late_signs, []
            for sign in later:
                self.at(self.s + self.every_s + 0.1, sign)

    def start_prompt(self) -> None:
        self.server.run(PROMPT, client_id=self.client_id, node_types=self.node_types)

    def progress(self, value: float, maximum: float = 100.0, node_id: str = "7") -> None:
        """The prompt tells a step, to those who hear it."""

        def hear() -> None:
            self.live.progress(PROMPT, node_id, value, maximum)

        if self._listening_since is not None and not self.deaf:
            if self.frozen:
                self._late_signs.append(hear)
            else:
                hear()

    def grow(self) -> None:
        """A file in the output directory grows."""
        if self.reconciler is not None and not self.frozen and self.root.exists():
            self.live.growth("gpu")

    def unmount(self) -> None:
        self.root.rename(self.root.with_name("away"))

    def mount(self) -> None:
        self.root.with_name("away").rename(self.root)

    def at(self, s: float, action: Callable[[], None]) -> None:
        """Something is to happen, in seconds since the beginning."""
        heapq.heappush(self._events, (self._began_s + s, next(self._numbers), action))

    def until(self, s: float, stop: Callable[[], bool] = lambda: False) -> bool:
        """Lets time pass until then, or until `stop` is true after a look: True."""
        end_s = self._began_s + s
        while True:
            event_s = self._events[0][0] if self._events else end_s
            next_s = min(end_s, event_s, self._next_pass_s)
            self.time.move_to(max(next_s, self.time.s))
            if event_s <= next_s and self._events:
                heapq.heappop(self._events)[2]()
            elif self._next_pass_s <= next_s:
                self._next_pass_s += self.every_s
                if self._look() and stop():
                    return True
            else:
                return False

    def _look(self) -> bool:
        if self.reconciler is None or not self.database or self.frozen:
            return False
        if self.inspectors is not None:
            self._settle(self.inspectors)
        report = self.reconciler.run_pass(search_history=self.search_history)
        assert not report.troubled
        return True

    def _settle(self, inspectors: ThreadPoolExecutor) -> None:
        """Waits for the answers about files, which take their time of another clock."""
        assert self.reconciler is not None
        (watched,) = self.reconciler.gatherer.servers.values()
        while watched.book.waiting():
            inspectors.submit(lambda: None).result(timeout=20)

    def _connect(self) -> None:
        """The websocket follows: it is opened anew as soon as it can be."""
        if not (self.socket and self.network and self.reconciler is not None):
            self._listening_since = None
        elif self._listening_since is None:
            self._listening_since = self.time.s


def ask(url: str, statement: str, *values: Any) -> list[Any]:
    """Somebody else's connection to the same database."""
    with (
        closing(psycopg2.connect(url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []
