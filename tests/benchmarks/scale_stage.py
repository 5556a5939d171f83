"""Many open jobs on a few servers: the real pass over a real Postgres, with answers as ComfyUI's
node pack gives them, of the size that they have."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from comfy_node.contract import PACK_VERSION, SNAPSHOT_FORMAT, SNAPSHOT_PATH
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.client import ComfyClient
from reconciler.core.expecting import ExpectPolicy
from reconciler.core.policy import Policy
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.files import OutputBook
from reconciler.reconcile.gather import Gatherer
from reconciler.reconcile.inspections import Inspections
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.passes import PassReport, Reconciler
from reconciler.reconcile.servers import WatchedServer
from reconciler.settings.jobs import JobsSettings
from reconciler.store import connection, open_store
from reconciler.store.servers import ServerRecord

SERVERS = 8
#: An ordinary history entry without its graph would be small; with it, it weighs about this much.
_GRAPH = {str(n): {"class_type": "KSampler", "inputs": {"text": "x" * 180}} for n in range(40)}


class RecordedServer:
    """Stands where HTTP does, and answers with bytes, which are parsed as ComfyUI's are."""

    def __init__(self, prompts: list[str]) -> None:
        self.waiting = prompts
        self.ended: dict[str, dict[str, Any]] = {}
        #: Requests by path without what follows the second slash, and the bytes of the answers.
        self.requests: Counter[str] = Counter()
        self.served_bytes = 0
        self.step = 0
        self.worker_alive = True

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """A GET's JSON."""
        self.requests["/".join(path.split("/")[: 3 if "history" not in path else 2])] += 1
        if path == SNAPSHOT_PATH:
            answer: Any = self._snapshot()
        elif path == "/history":
            newest = list(self.ended)[-int((query or {}).get("max_items", "10000")) :]
            answer = {prompt_id: self.ended[prompt_id] for prompt_id in newest}
        else:
            prompt_id = path.rpartition("/")[2]
            answer = {prompt_id: self.ended[prompt_id]} if prompt_id in self.ended else {}
        body = json.dumps(answer).encode()
        self.served_bytes += len(body)
        return json.loads(body)

    def end(self, number: int) -> None:
        """The first prompts of the queue end in an error: no files to look at."""
        for prompt_id in self.waiting[:number]:
            self.ended[prompt_id] = _ended_entry(prompt_id)
        self.waiting = self.waiting[number:]
        self.step = 0

    def close(self) -> None:
        """As the real one."""

    def _snapshot(self) -> dict[str, Any]:
        now = time.time()
        running = [self._queued(p) | self._state(now) for p in self.waiting[:1]]
        return {
            "format": SNAPSHOT_FORMAT,
            "pack": PACK_VERSION,
            "boot_id": "3f0c5a58-6c0e-4c0f-9a53-0d7a54f9f1b7",
            "now": now,
            "worker_alive": self.worker_alive,
            "running": running,
            "pending": [self._queued(p) for p in self.waiting[1:]],
            "ended": [],
            "cursor": len(self.ended),
            "complete": True,
        }

    def _state(self, now: float) -> dict[str, Any]:
        return {
            "since": now - 60,
            "sign_at": now - 0.2,
            "node_id": "7",
            "node_type": "KSampler",
            "value": self.step,
            "max": 100,
            "nodes_done": 3,
        }

    def _queued(self, prompt_id: str) -> dict[str, Any]:
        return {
            "prompt_id": prompt_id,
            "number": 1.0,
            "client_id": "5b1f3a7e6f0f4b0c8f0d8b6d4f3f2f1e",
            "output_nodes": 1,
            "graph_nodes": 12,
            "created_at": 1764500000.0,
        }


def _ended_entry(prompt_id: str) -> dict[str, Any]:
    failed = {"node_id": "7", "node_type": "KSampler", "exception_type": "RuntimeError"}
    failed |= {"exception_message": "a tensor of the wrong size", "prompt_id": prompt_id}
    return {
        "prompt": [1.0, prompt_id, _GRAPH, {}, ["9"]],
        "outputs": {},
        "status": {
            "status_str": "error",
            "completed": False,
            "messages": [
                ["execution_start", {"prompt_id": prompt_id, "timestamp": 1764500000000}],
                ["execution_error", failed | {"timestamp": 1764500001000}],
            ],
        },
    }


@dataclass(frozen=True, slots=True)
class Cost:
    """What one pass took."""

    wall_s: float
    cpu_s: float
    statements: int
    requests: int
    report: PassReport


@dataclass
class Stage:
    """One reconciler over `jobs` open jobs on eight servers, all of them known and queued."""

    url: str
    servers: dict[str, RecordedServer]
    reconciler: Reconciler
    statements: Counter[str] = field(default_factory=Counter)

    def measure(self, **how: Any) -> Cost:
        """One pass and its cost. The servers' own work, which is not ours, is left out."""
        self.statements.clear()
        before = sum(self.requests().values())
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        report = self.reconciler.run_pass(**how)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        requests = sum(self.requests().values()) - before
        return Cost(wall_s, cpu_s, self.statements.total(), requests, report)

    def requests(self) -> Counter[str]:
        """Requests so far, by path."""
        return sum((server.requests for server in self.servers.values()), Counter())


@contextmanager
def stage(
    url: str,
    folder: Path,
    jobs: int,
    servers: int = SERVERS,
    *,
    known: bool = True,
    mapping: JobsSettings = JobsSettings(),  # noqa: B008 - frozen
) -> Iterator[Stage]:
    """A stage on an empty database. `jobs` is how many are open, and `known` whether they were seen
    before."""
    open_store(url).close()
    store = open_store(url, jobs=mapping)
    names = [f"gpu{n}" for n in range(servers)]
    with closing(psycopg2.connect(url)) as raw, raw, raw.cursor() as cursor:
        fill(cursor, jobs, servers, known=known)
    clock, live = DatabaseClock(), LiveSigns()
    clock.set(store.jobs.now())
    prompts = {name: [f"p-{n}" for n in range(i, jobs, servers)] for i, name in enumerate(names)}
    recorded = {name: RecordedServer(prompts[name]) for name in names}
    with ThreadPoolExecutor(servers) as pool, pytest.MonkeyPatch.context() as patch:
        watched = {}
        for name in names:
            root = folder / name
            root.mkdir(parents=True, exist_ok=True)
            client = ComfyClient(ServerAddress(name, f"http://{name}.invalid"))
            client._http = recorded[name]  # type: ignore[assignment]
            book = OutputBook(
                name,
                root,
                store=store.outputs,
                inspections=Inspections(pool),
                inspect=lambda path, wanted, on_progress: pytest.fail("no file is to be inspected"),
                on_answer=lambda path: None,
                clock=clock,
                unsound_confirm_s=0.0,
            )
            record = ServerRecord(name, f"http://{name}.invalid", answered_at=clock.now())
            watched[name] = WatchedServer(record, client, book, str, client_id="reconciler-bench")
        files = FileEvidence(watched, store.outputs, clock, ExpectPolicy(), 0.0)
        gatherer = Gatherer(store, watched, clock, live, files, pool, clock.now() - 3600.0)
        reconciler = Reconciler(store, gatherer, clock, Policy(), late_s=3600.0)
        made = Stage(url, recorded, reconciler)
        patch.setattr(connection, "Cursor", _counting(made.statements))
        yield made
    store.connection.close()


def fill(cursor: psycopg2.extensions.cursor, jobs: int, servers: int, *, known: bool) -> None:
    """Open jobs, and what the reconciler's own passes leave of them where they are `known`."""
    cursor.execute(
        "insert into production_jobs (comfyui_job_id, job_type, frames, created_at)"
        " select 'p-' || n, 'video', 72, now() - interval '1 hour'"
        " from generate_series(0, %s) n",
        (jobs - 1,),
    )
    if not known:
        return
    cursor.execute(
        "insert into reconciler.job_state (job_id, known_status, opened_at)"
        " select id::text, status, created_at from production_jobs"
    )
    cursor.execute(
        "insert into reconciler.prompts (prompt_id, job_id, attempt, server, ever_seen, boot_id)"
        " select comfyui_job_id, id::text, 1, 'gpu' || (substr(comfyui_job_id, 3)::int %% %s),"
        "        true, '3f0c5a58-6c0e-4c0f-9a53-0d7a54f9f1b7'"
        " from production_jobs",
        (servers,),
    )
    for table in ("production_jobs", "reconciler.job_state", "reconciler.prompts"):
        cursor.execute(f"analyze {table}")


def _counting(seen: Counter[str]) -> type[connection.Cursor]:
    """Cursors that count what they send; several statements in one text count as several."""

    class Counting(connection.Cursor):
        def execute(self, statement: Any, values: Any = None) -> None:
            text = statement if isinstance(statement, (bytes, str)) else statement.as_string(self)
            text = text.decode() if isinstance(text, bytes) else text
            seen[" ".join(text.split())[:60]] += 1 + text.count(";\n") + text.count(";update")
            super().execute(statement, values)

    return Counting
