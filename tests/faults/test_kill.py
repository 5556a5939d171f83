"""kill -9 of the service at random moments: nothing is lost, doubled or half-written."""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.agreement import FINAL, halves, truths, verdicts_told_twice, wrong_rows
from tests.faults.comfyui_trial import picture
from tests.faults.conftest import Figure
from tests.integration.running import QUICK, Rows, Running, write_config
from tests.waiting import wait_for

#: Open jobs at every moment.
OPEN_JOBS = 50
#: A busy machine may not come to all of the kills; the figure says how many there were.
LONGEST_S = 2400.0
LONGEST_WAIT_S = 300.0
ENDINGS = (Outcome.SUCCESS, Outcome.SUCCESS, Outcome.SUCCESS, Outcome.ERROR)
#: A job of ours, as others see it: in the middle of a transaction, or between two statements.
WRITING = """
    select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and state in ('active', 'idle in transaction') and backend_type = 'client backend'
    and application_name like 'reconciler%' and xact_start is not null
"""
_SLOW = """
    create function pause() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.003); return new; end $$;
    create trigger slow before update on production_jobs for each row execute function pause()
"""


class Stage:
    """Simulators that always have work, and a service that is killed again and again."""

    def __init__(self, rows: Rows, folder: Path, gpus: list[Simulator], seed: int) -> None:
        self.rows = rows
        self.gpus = gpus
        self.random = random.Random(seed)
        self.phases: Counter[str] = Counter()
        self.to_truth_s: list[float] = []
        self._config = write_config(folder, rows.url, *gpus, lost=QUICK["lost"] | {"grace_s": 60.0})
        self._log = folder / "service.log"
        self._seed = 0
        self._spy = psycopg2.connect(rows.url)
        self._spy.autocommit = True

    def close(self) -> None:
        """Let go of everything."""
        self._service.kill()
        self._service.end()
        self._spy.close()

    def slow_writes(self) -> None:
        """Each row takes a moment to be written, as on a busy database: kills fall into it."""
        self.rows.sql(_SLOW)

    def _writes(self) -> bool:
        with self._spy.cursor() as cursor:
            cursor.execute(WRITING)
            return cursor.fetchone() is not None

    def top_up(self, open_jobs: int) -> None:
        """Submit until so many jobs are open."""
        is_open = "select count(*) as n from production_jobs where status not in %s"
        for _ in range(open_jobs - self.rows.sql(is_open, FINAL)[0]["n"]):
            self._seed += 1
            outcome = self.random.choice(ENDINGS)
            graph = picture(outcome, seed=self._seed, seconds=self.random.choice((0.0, 0.1, 0.3)))
            gpu = self.random.choice(self.gpus)
            self.rows.insert(comfyui_job_id=gpu.submit(graph))

    def start(self) -> Running:
        """The service begins."""
        self._log.unlink(missing_ok=True)
        self.began_s = time.monotonic()
        self._service = Running(self._config, self._log)
        return self._service

    def due(self) -> set[str]:
        """Prompts that have ended, and whose rows do not say so yet."""
        ended = {p for p, entry in truths(self.gpus).items() if entry.ended_at is not None}
        still = "select comfyui_job_id as p from production_jobs where status not in %s"
        return ended & {row["p"] for row in self.rows.sql(still, FINAL)}

    def await_truth(self, due: set[str]) -> None:
        """Waits until these rows are final; notes how long after the start that was."""
        final = (
            "select count(*) as n from production_jobs where comfyui_job_id in %s and status in %s"
        )
        if due:
            said = f"{len(due)} rows are right after a restart"
            wait_for(
                lambda: self.rows.sql(final, tuple(due), FINAL)[0]["n"] == len(due),
                said,
                LONGEST_WAIT_S,
            )
            self.to_truth_s.append(time.monotonic() - self.began_s)

    def kill(self, service: Running) -> None:
        """kill -9 at some moment, of the process or of its group; all that it started ends."""
        began = _family(service.process.pid)
        self.phases[self._aim(service)] += 1
        whole_family = self.random.random() < 0.5
        service.process.kill()
        for process in began if whole_family else []:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        service.end()
        _, left = psutil.wait_procs(began, timeout=10.0)
        assert not left, left

    def _aim(self, service: Running) -> str:
        """Waits for a moment of some kind, at random, and returns which it was."""
        moment = self.random.choice(("start", "transaction", "inspection", "any", "any"))
        if moment == "start":
            _pause(self.random.uniform(0.0, 1.0))
        elif moment == "any":
            _pause(self.random.uniform(0.0, 1.5))
        elif moment == "transaction" and _until(self._writes, 2.0):
            _pause(self.random.uniform(0.0, 0.01))
            return moment
        elif moment == "inspection" and _until(lambda: _is_inspecting(service.process.pid), 2.0):
            return moment
        watching = self._log.exists() and b"watching" in self._log.read_bytes()
        return "look or idle" if watching else "start"


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _is_inspecting(pid: int) -> bool:
    """A warm worker waits for files; a file is looked at by a fork of it."""
    workers = {child.pid for child in _family(pid)}
    parents = [_parent(child) for child in _family(pid)]
    return any(parent in workers for parent in parents)


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """True as soon as it holds, False where it did not in time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        _pause(0.001)
    return False


@pytest.mark.timeout(3000)
def test_kill_9_at_random_moments(
    database: str, tmp_path: Path, figure: Figure, long: bool
) -> None:
    kills, gpu_count, open_jobs = (200, 3, OPEN_JOBS) if long else (4, 2, 20)
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    figure(f"seed {seed} (FAULTS_SEED={seed} plays it again)")
    rows = Rows(database)
    with ExitStack() as stack:
        folders = [tmp_path / f"out{n}" for n in range(gpu_count)]
        gpus = [stack.enter_context(Simulator(folder)) for folder in folders]
        stage = stack.enter_context(closing(Stage(rows, tmp_path, gpus, seed)))
        _first_start(stage)
        killed, until_s = 0, time.monotonic() + LONGEST_S
        while killed < kills and time.monotonic() < until_s:
            stage.top_up(open_jobs)
            due, service = stage.due(), stage.start()
            # Every other one is killed as it comes, the rest after it has shown what it found.
            if killed % 2:
                stage.await_truth(due)
            stage.kill(service)
            killed += 1
            assert halves(rows) == []
        _end(stage)
    figure(f"{killed} kills: {dict(stage.phases)}; {len(truths(gpus))} jobs")
    figure(f"from the start to the truth: {_spread(stage.to_truth_s)}")


def _first_start(stage: Stage) -> None:
    """The tables are made before jobs come."""
    service = stage.start()
    service.wait_until_watching()
    service.end()
    stage.slow_writes()


def _end(stage: Stage) -> None:
    """All that were submitted end, and the service says so and stops cleanly."""
    service = stage.start()
    service.wait_until_watching()
    still = "select count(*) as n from production_jobs where status not in %s"
    wait_for(lambda: not stage.rows.sql(still, FINAL)[0]["n"], "all jobs end", LONGEST_WAIT_S)
    assert service.end() == 0
    assert halves(stage.rows) == []
    assert verdicts_told_twice(stage.rows) == []
    assert wrong_rows(stage.rows, truths(stage.gpus)) == []


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    middle = statistics.median(ordered)
    return f"median {middle:.2f} s, 95 % {late:.2f} s, most {ordered[-1]:.2f} s (n={len(ordered)})"
