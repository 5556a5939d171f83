"""Thousands of jobs at high speed, and random faults: at the end every row is right, and nothing
has grown."""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.store import embedded
from tests.faults.agreement import halves, truths, verdicts_told_twice, wrong_rows
from tests.faults.conftest import Figure
from tests.faults.measuring import Sample
from tests.faults.soak import Life, Soak
from tests.integration.running import Rows


@pytest.mark.timeout(2400)
def test_soak(data_dir: Path, tmp_path: Path, figure: Figure, long: bool) -> None:
    total, most_open, jobs_per_fault = (2000, 60, 10) if long else (60, 30, 8)
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    figure(f"seed {seed} (FAULTS_SEED={seed} plays it again)")
    url, began_s = embedded.ensure_running(data_dir), time.monotonic()
    with Soak(Rows(url), tmp_path, 3, seed) as soak:
        _play(soak, total, most_open, jobs_per_fault, _faults_of(soak, data_dir))
        soak.await_end(600.0)
        took_s = time.monotonic() - began_s
        truth = truths(soak.gpus)
    wrong = wrong_rows(soak.rows, truth, cancelled=soak.cancelled, crashed_at=soak.crashed_at)
    figure(f"{soak.submitted} jobs in {took_s:.0f} s; faults: {dict(soak.faults)}")
    figure(f"rows wrong at the end: {len(wrong)}")
    _tell_growth(max(soak.lives, key=lambda life: len(life.samples)), figure)
    assert not wrong, "\n".join(wrong)
    assert halves(soak.rows) == []
    assert verdicts_told_twice(soak.rows) == []
    assert soak.status == 0


def _faults_of(soak: Soak, data_dir: Path) -> dict[str, Callable[[], None]]:
    def restart_database() -> None:
        embedded.stop(data_dir)
        assert embedded.ensure_running(data_dir) == soak.rows.url

    return {
        "ComfyUI crashes": soak.crash_comfyui,
        "a server misbehaves": soak.misbehave,
        "prompts are interrupted": soak.interrupt,
        "prompts are deleted": soak.clear_queue,
        "jobs are taken back": soak.take_back,
        "database connections are cut": soak.cut_database,
        "the database is restarted": restart_database,
        "the service is killed": soak.kill_service,
    }


def _play(
    soak: Soak,
    total: int,
    most_open: int,
    jobs_per_fault: int,
    faults: dict[str, Callable[[], None]],
) -> None:
    """The service is killed during the first third only: what grows, grows in one process."""
    gentler = {name: fault for name, fault in faults.items() if name != "the service is killed"}
    broken_at = 0
    while soak.submitted < total:
        soak.top_up(min(most_open, soak.open_jobs() + jobs_per_fault), total)
        if soak.submitted >= broken_at + jobs_per_fault:
            soak.break_something(faults if soak.submitted < total / 3 else gentler)
            broken_at = soak.submitted
        threading.Event().wait(0.1)


def _tell_growth(life: Life, figure: Figure) -> None:
    """Of the process that lived longest, once it was warm."""
    warm = life.samples[len(life.samples) // 4 :]
    if len(warm) < 3 or warm[0][0] == warm[-1][0]:
        return
    jobs = [done for done, _ in warm]

    def slope(of: Callable[[Sample], float]) -> str:
        values = [of(taken) for _, taken in warm]
        per_job = statistics.linear_regression(jobs, values).slope
        spread = f"{values[0]:.0f} to {values[-1]:.0f}, most {max(values):.0f}"
        return f"{per_job * 1000:+.2f} per 1,000 jobs ({spread})"

    figure(f"longest life: {len(warm)} samples over {jobs[-1] - jobs[0]} jobs")
    figure(f"MiB of the main process: {slope(lambda taken: taken.main_memory_mib)}")
    figure(f"MiB with all workers: {slope(lambda taken: taken.memory_mib)}")
    figure(f"file handles: {slope(lambda taken: taken.handles)}")
    figure(f"threads: {slope(lambda taken: taken.threads)}")
