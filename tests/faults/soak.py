"""Thousands of jobs, and everything that can go wrong meanwhile, at random."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg2
import requests

from reconciler.errors import ServerAnswer
from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults import http_faults
from tests.faults.agreement import FINAL, halves, truths
from tests.faults.comfyui_trial import picture
from tests.faults.http_proxy import HttpProxy, Manner
from tests.faults.measuring import Sample, sample
from tests.integration.running import Rows, Running, write_config
from tests.waiting import wait_for

T = TypeVar("T")
OUTCOMES = (
    *[Outcome.SUCCESS] * 12,
    *[Outcome.ERROR] * 3,
    Outcome.OUT_OF_MEMORY,
    Outcome.DELETED,
    Outcome.TRUNCATED,
    Outcome.NO_OUTPUT,
)
MANNERS: tuple[Manner, ...] = (
    http_faults.holds,
    http_faults.Visit.reset,
    http_faults.error_page("502 Bad Gateway"),
    http_faults.cut,
    http_faults.half,
)
SETTINGS = {
    "lost": {"confirmations": 3, "grace_s": 3.0, "restart_grace_s": 1.0},
    # A prompt that its server lost before anybody looked.
    "timeouts": {"never_seen_s": 15.0},
}


@dataclass
class Life:
    """One process of the service: what it took, by the number of jobs that had ended."""

    samples: list[tuple[int, Sample]] = field(default_factory=list)


class Soak:
    """Simulators behind proxies, a service over them, and somebody who breaks things."""

    def __init__(self, rows: Rows, folder: Path, gpu_count: int, seed: int) -> None:
        self.rows = rows
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.lives: list[Life] = []
        self.cancelled: set[str] = set()
        self.crashed_at: list[float] = []
        self.submitted = 0
        self.gpus = [Simulator(folder / f"out{n}") for n in range(gpu_count)]
        self._folder = folder
        self._over = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Soak:
        self._stack = ExitStack()
        for gpu in self.gpus:
            self._stack.enter_context(gpu)
        self.proxies = [HttpProxy(gpu.url) for gpu in self.gpus]
        for proxy in self.proxies:
            self._stack.callback(proxy.close)
        servers = [
            {"name": f"gpu{n}", "url": proxy.url, "output_dir": str(gpu.output_dir)}
            for n, (gpu, proxy) in enumerate(zip(self.gpus, self.proxies, strict=True))
        ]
        self._config = write_config(self._folder, self.rows.url, **SETTINGS, servers=servers)
        self.start()
        self.service.wait_until_watching()
        self._sampler = threading.Thread(target=self._measure)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()
        self.status = self.service.end()
        self._stack.close()

    def start(self) -> None:
        """The service begins, or begins anew."""
        self.service = Running(self._config, self._folder / "service.log")
        with self._lock:
            self.lives.append(Life())

    def open_jobs(self) -> int:
        """Rows that are not final."""
        count = "select count(*) as n from production_jobs where status not in %s"
        return int(self._patiently(lambda: self.rows.sql(count, FINAL)[0]["n"]))

    def top_up(self, most_open: int, total: int) -> None:
        """Submit until so many are open, or all were submitted."""
        for _ in range(min(most_open - self.open_jobs(), total - self.submitted)):
            seconds = self.random.choice((0.0, 0.0, 0.05, 0.2))
            # A prefix for each: else ComfyUI gives the name of a file that was deleted to the next.
            more = {"seed": self.submitted, "filename_prefix": f"{self.submitted:05}"}
            graph = picture(self.random.choice(OUTCOMES), seconds=seconds, **more)
            with suppress(requests.RequestException, ServerAnswer):  # it is down just now
                prompt_id = self.random.choice(self.gpus).submit(graph)
                self._patiently(lambda p=prompt_id: self.rows.insert(comfyui_job_id=p))  # type: ignore[misc]
                self.submitted += 1

    def break_something(self, faults: dict[str, Callable[[], None]]) -> None:
        """One fault, at random."""
        name = self.random.choice(list(faults))
        self.faults[name] += 1
        faults[name]()

    def crash_comfyui(self) -> None:
        """It dies and is started again: queue and history are gone."""
        self.crashed_at.append(time.time())
        self.random.choice(self.gpus).crash(restart_after_s=self.random.choice((0.1, 1.0)))

    def kill_service(self) -> None:
        """kill -9, and a new start."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.service.process.pid).children(recursive=True)
            self.service.kill()
            _, left = psutil.wait_procs(children, timeout=10.0)
            assert not left, left
        self.service.end()
        self.start()

    def cut_database(self) -> None:
        """Every connection to it breaks."""
        ended = (
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        self._patiently(lambda: self.rows.sql(ended))

    def misbehave(self) -> None:
        """A server misbehaves for a moment."""
        proxy = self.random.choice(self.proxies)
        proxy.misbehave(self.random.choice(MANNERS))
        threading.Event().wait(self.random.uniform(0.1, 2.0))
        proxy.behave()

    def interrupt(self) -> None:
        """Somebody presses cancel: whatever runs ends."""
        self._post("/interrupt", {})

    def clear_queue(self) -> None:
        """Somebody deletes a few prompts that wait."""
        gpu = self.random.choice(self.gpus)
        with suppress(requests.RequestException):
            pending = requests.get(f"{gpu.url}/queue", timeout=5.0).json()["queue_pending"]
            chosen = [item[1] for item in pending][:3]
            body = {"delete": chosen}
            requests.post(f"{gpu.url}/queue", json=body, timeout=5.0).raise_for_status()

    def take_back(self) -> None:
        """The application cancels a job of its own."""
        took = (
            "update production_jobs set status = 'cancelled', completed_at = now() where id ="
            " (select max(id) from production_jobs where status in ('queued', 'processing'))"
            " and status in ('queued', 'processing') returning comfyui_job_id as p"
        )
        self.cancelled |= {row["p"] for row in self._patiently(lambda: self.rows.sql(took))}

    def await_end(self, timeout_s: float) -> None:
        """All that were submitted have ended, and their rows say so."""
        for proxy in self.proxies:
            proxy.behave()
        deadline_s = time.monotonic() + timeout_s
        while self.open_jobs() and time.monotonic() < deadline_s:
            threading.Event().wait(0.1)
        truth = truths(self.gpus)
        still = "select * from production_jobs where status not in %s"
        left = [(row, truth[row["comfyui_job_id"]]) for row in self.rows.sql(still, FINAL)]
        assert not left, left
        # What the application did to its rows has to be followed, too.
        wait_for(lambda: not halves(self.rows), f"all is told: {halves(self.rows)}")

    def _post(self, path: str, body: dict[str, object]) -> None:
        with suppress(requests.RequestException):
            requests.post(f"{self.random.choice(self.gpus).url}{path}", json=body, timeout=5.0)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """What the database says, once it is there."""
        answers: list[T] = []

        def answered() -> bool:
            with suppress(psycopg2.Error):
                answers.append(ask())
            return bool(answers)

        wait_for(answered, "the database answers")
        return answers[0]

    def _measure(self) -> None:
        done = "select count(*) as n from production_jobs where status in %s"
        while not self._over.wait(0.25):
            with suppress(psutil.Error, psycopg2.Error), self._lock:
                ended = self.rows.sql(done, FINAL)[0]["n"]
                self.lives[-1].samples.append((ended, sample(self.service.process.pid)))
