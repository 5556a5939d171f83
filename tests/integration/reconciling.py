"""A stage for the pass: a real Postgres and real files, and a server that says what the test wants.

`FakeServer` is what a test controls; `Bench` runs passes and reads rows as an application would.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from PIL import Image

from comfy_node.contract import PACK_VERSION
from reconciler.comfyui.values import (
    EndedNote,
    EndedPrompt,
    HistoryPage,
    Look,
    QueuedPrompt,
    RunningState,
    ServerInfo,
)
from reconciler.core.evidence import Ending, EndKind, ListedFile, Source
from reconciler.core.expecting import ExpectPolicy
from reconciler.core.policy import Policy, StallPolicy
from reconciler.errors import ServerError
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Inspection
from reconciler.outputs.progress import OnProgress
from reconciler.outputs.wanted import Wanted
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.files import Inspect, OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import PassReport, Reconciler
from reconciler.reconcile.servers import WatchedServer
from reconciler.store import Store, open_store
from reconciler.store.servers import ServerRecord
from tests.waiting import wait_for

#: Everything at once: time is what these tests do without.
QUICK = Policy(
    stall=StallPolicy(startup_grace_s=0.0),
    missing_output_grace_s=0.0,
    lost_confirmations=2,
    lost_grace_s=0.0,
)


@dataclass
class FakeServer:
    """Answers from fields. `failing` is raised instead of any answer."""

    running: list[QueuedPrompt] = field(default_factory=list)
    pending: list[QueuedPrompt] = field(default_factory=list)
    history: dict[str, EndedPrompt] = field(default_factory=dict)
    failing: ServerError | None = None
    interrupted: list[str] = field(default_factory=list)
    #: What was asked, in order.
    asked: list[str] = field(default_factory=list)
    #: Called before each look: what happens between two questions.
    before_look: Callable[[], None] = lambda: None
    #: With one, the node pack answers: what follows is what it tells.
    boot_id: str | None = None
    worker_alive: bool | None = True
    states: dict[str, RunningState] = field(default_factory=dict)
    #: Ends since the last look; each is told once, as by the client's cursor.
    ended: list[EndedNote] = field(default_factory=list)
    complete: bool = True

    def look(self) -> Look:
        self.before_look()
        self._ask("look")
        queue = Look(tuple(self.running), tuple(self.pending))
        if self.boot_id is None:
            return queue
        ended, self.ended = tuple(self.ended), []
        return replace(
            queue,
            boot_id=self.boot_id,
            worker_alive=self.worker_alive,
            pack=PACK_VERSION,
            states=dict(self.states),
            ended=ended,
            complete=self.complete,
        )

    def connect_anew(self) -> None:
        self.asked.append("connect anew")

    def reconnected(self) -> None:
        self.asked.append("reconnected")

    def ending(self, prompt_id: str) -> EndedPrompt | None:
        self._ask(f"ending {prompt_id}")
        return self.history.get(prompt_id)

    def recent(self, max_items: int) -> tuple[EndedPrompt, ...]:
        self._ask("recent")
        return tuple(self.history.values())[-max_items:]

    def newest(self, max_items: int) -> HistoryPage:
        self._ask("newest")
        page = dict(list(self.history.items())[-max_items:])
        return HistoryPage(page, whole=len(page) < max_items)

    def interrupt(self, prompt_id: str) -> None:
        self._ask(f"interrupt {prompt_id}")
        self.interrupted.append(prompt_id)

    def remove_pending(self, prompt_id: str) -> None:
        self._ask(f"remove {prompt_id}")
        self.pending = [p for p in self.pending if p.prompt_id != prompt_id]

    def info(self) -> ServerInfo:
        self._ask("info")
        return ServerInfo(version="0.33.0")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.failing is not None:
            raise self.failing

    def run(self, prompt_id: str, **more: Any) -> None:
        """The prompt runs."""
        self.pending = [p for p in self.pending if p.prompt_id != prompt_id]
        self.running = [QueuedPrompt(prompt_id, 1.0, **more)]

    def end(self, prompt_id: str, ending: Ending, **more: Any) -> None:
        """The prompt leaves the queue and enters the history."""
        self.running = [p for p in self.running if p.prompt_id != prompt_id]
        self.pending = [p for p in self.pending if p.prompt_id != prompt_id]
        self.history[prompt_id] = EndedPrompt(QueuedPrompt(prompt_id, 1.0, **more), ending)

    def forget(self, prompt_id: str) -> None:
        """It is restarted, or the prompt is deleted."""
        self.running = [p for p in self.running if p.prompt_id != prompt_id]
        self.pending = [p for p in self.pending if p.prompt_id != prompt_id]
        self.history.pop(prompt_id, None)


class Bench:
    """One reconciler over one database, with the servers `names`, as the service builds it."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        policy: Policy = QUICK,
        names: tuple[str, ...] = ("gpu",),
        jobs_table: str = "production_jobs",
        unsound_confirm_s: float = 0.0,
        expect: ExpectPolicy = ExpectPolicy(),  # noqa: B008 - frozen
        **opening: Any,
    ) -> None:
        """`opening`: more arguments of `open_store`."""
        self.url = url
        #: How files are inspected; a test may put another in its place.
        self.inspect: Inspect = inspect_here
        self.store: Store = open_store(url, jobs_table=jobs_table, **opening)
        self.clock, self.live = DatabaseClock(), LiveSigns()
        self.clock.set(self.store.jobs.now())
        self.inspectors, self._lookers = ThreadPoolExecutor(2), ThreadPoolExecutor(2)
        self.inspections = Inspections(self.inspectors)
        self.servers = {name: FakeServer() for name in names}
        self.roots = {name: folder / name for name in names}
        watched = {name: self._watched(name, unsound_confirm_s) for name in names}
        files = FileEvidence(watched, self.store.outputs, self.clock, expect, unsound_confirm_s)
        self.gatherer = Gatherer(
            self.store,
            watched,
            self.clock,
            self.live,
            files,
            self._lookers,
            watching_since=self.clock.now() - 3600.0,
        )
        self.reconciler = Reconciler(self.store, self.gatherer, self.clock, policy, late_s=3600.0)

    @property
    def server(self) -> FakeServer:
        """The only server."""
        (server,) = self.servers.values()
        return server

    @property
    def root(self) -> Path:
        """The output directory of the only server."""
        (root,) = self.roots.values()
        return root

    def close(self) -> None:
        self.inspectors.shutdown()
        self._lookers.shutdown()
        self.store.close()

    def run_pass(self, **how: Any) -> PassReport:
        """A pass, after every inspection that an earlier one asked for has answered."""
        self.settle()
        return self.reconciler.run_pass(**how)

    def passes(self, number: int = 4) -> None:
        """Several passes: first sight, inspection, confirmation, verdict."""
        for _ in range(number):
            self.run_pass()

    def settle(self) -> None:
        """Waits until no inspection runs."""
        books = [server.book for server in self.gatherer.servers.values()]
        wait_for(lambda: not any(book.waiting() for book in books), "inspections end")

    def insert(self, **columns: Any) -> str:
        """A row as an application inserts it; returns its id."""
        names = ", ".join(columns) or "metadata"
        values = ", ".join(["%s"] * len(columns)) or "default"
        statement = f"insert into production_jobs ({names}) values ({values}) returning id::text"
        return str(self.sql(statement, *columns.values())[0]["id"])

    def row(self, job_id: str) -> dict[str, Any]:
        """The row as the application sees it."""
        return self.sql("select * from production_jobs where id::text = %s", job_id)[0]

    def says(self, job_id: str) -> tuple[str, str | None]:
        """Status, and the failure code that the error begins with."""
        row = self.row(job_id)
        return row["status"], None if row["error"] is None else row["error"].split(":")[0]

    def kinds(self, job_id: str) -> list[str]:
        """The kinds of the events of the job's story."""
        return [event.event.kind for event in self.store.jobs.story(job_id)]

    def sql(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Somebody else's connection to the same database."""
        factory = psycopg2.extras.RealDictCursor
        with (
            closing(psycopg2.connect(self.url)) as connection,
            connection,
            connection.cursor(cursor_factory=factory) as cursor,
        ):
            cursor.execute(statement, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def image(self, name: str, server: str = "gpu", color: str = "red") -> ListedFile:
        """A sound picture in the output directory, as history lists it."""
        path = self.roots[server] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), color).save(path)
        return listed(name)

    def _inspect(self, path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
        return self.inspect(path, wanted, on_progress)

    def _watched(self, name: str, unsound_confirm_s: float) -> WatchedServer:
        root = self.roots[name]
        root.mkdir(parents=True, exist_ok=True)
        book = OutputBook(
            name,
            root.resolve(),
            store=self.store.outputs,
            inspections=self.inspections,
            inspect=self._inspect,
            on_answer=lambda path: None,
            clock=self.clock,
            unsound_confirm_s=unsound_confirm_s,
        )
        record = ServerRecord(name, f"http://{name}.invalid")
        return WatchedServer(record, self.servers[name], book, str, client_id="reconciler-test")


def inspect_here(path: Path, wanted: Wanted, on_progress: OnProgress) -> Inspection:
    """In this process, as the pool's workers do it."""
    return inspect(path, wanted=wanted, on_progress=on_progress)


def listed(name: str, **more: str) -> ListedFile:
    """A file as history lists it."""
    subfolder, _, filename = name.rpartition("/")
    values = {"node_id": "9", "type": "output", "kind": "images", **more}
    return ListedFile(filename=filename, subfolder=subfolder, **values)


def success(*files: ListedFile, **more: Any) -> Ending:
    """History says success."""
    return Ending(EndKind.SUCCESS, Source.HISTORY, files=files, **more)


def error(message: str = "boom", **more: Any) -> Ending:
    """History says error."""
    return Ending(
        EndKind.ERROR,
        Source.HISTORY,
        node_id="3",
        node_type="KSampler",
        exception_type="RuntimeError",
        message=message,
        **more,
    )
