"""Clocks that are set by an hour, forward and back: ours, the database's, ComfyUI's, the files'."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import requests

from reconciler.simulator.outcomes import Outcome
from reconciler.simulator.simulator import Simulator
from tests.faults.clocks import HOUR_S, DatabaseClock, ProcessClock, needs_faketime
from tests.faults.comfyui_trial import HASTY, picture
from tests.faults.conftest import Figure
from tests.faults.http_proxy import HttpProxy
from tests.faults.test_comfyui_server import Process, entry, simulating, verdicts
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for

BY_AN_HOUR = pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
#: Thresholds of usual length: an hour is longer than all of them but those that are an hour.
USUAL = {
    **HASTY,
    "stall": {"no_progress_s": 900, "startup_grace_s": 0.5},
    "lost": {"confirmations": 3, "grace_s": 60, "restart_grace_s": 20},
}


@pytest.fixture
def rows(database: str) -> Rows:
    return Rows(database)


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "out") as simulator:
        yield simulator


@contextmanager
def under(clock: ProcessClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is started now has this clock."""
    with monkeypatch.context() as patch:
        for name, value in clock.variables.items():
            patch.setenv(name, value)
        yield


def interrupt(url: str) -> None:
    requests.post(f"{url}/interrupt", json={}, timeout=10.0).raise_for_status()


def live_through(rows: Rows, gpu: Simulator | Process, jump: Callable[[], None]) -> dict[str, str]:
    """Jobs before, during and after a jump of a clock; returns what the rows said right after."""
    runs = rows.insert(comfyui_job_id=gpu.submit(picture(Outcome.ENDLESS)))
    waits = rows.insert(comfyui_job_id=gpu.submit(picture(seed=1)))
    fails = rows.insert(comfyui_job_id=gpu.submit(picture(Outcome.ERROR, seed=2)))
    rows.wait(runs, "processing")
    seen = "select count(*) as n from reconciler.prompts where ever_seen"
    wait_for(lambda: rows.sql(seen)[0]["n"] == 3, "all are seen")
    jump()
    passes = "select answered_at as at from reconciler.servers"
    for _ in range(5):
        before = rows.sql(passes)[0]["at"]
        wait_for(lambda before=before: rows.sql(passes)[0]["at"] != before, "another look")  # type: ignore[misc]
    said = {"runs": rows.row(runs)["status"], "waits": rows.row(waits)["status"]}
    interrupt(gpu.url)
    rows.wait(runs, "failed", "interrupted")
    rows.wait(waits, "completed")
    rows.wait(fails, "failed", "execution_error")
    assert [verdicts(rows, job) for job in (runs, waits, fails)] == [
        ["failed"],
        ["completed"],
        ["failed"],
    ]
    return said


@needs_faketime
def test_every_clock_is_set_at_once(
    rows: Rows, tmp_path: Path, figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours and the database's forward; ComfyUI's was an hour ahead and is set back."""
    (tmp_path / "ours").mkdir()
    clocks = [ProcessClock(tmp_path, HOUR_S), ProcessClock(tmp_path / "ours")]
    database = DatabaseClock(rows.url)

    def jump() -> None:
        clocks[0].set(0)
        clocks[1].set(HOUR_S)
        database.set(HOUR_S)

    with ExitStack() as stack:
        with under(clocks[0], monkeypatch):
            gpu = stack.enter_context(simulating(tmp_path / "out"))
        config = write_config(tmp_path, rows.url, **USUAL, servers=[entry(gpu.url, gpu.output_dir)])
        with under(clocks[1], monkeypatch):
            stack.enter_context(running(config))
        said = live_through(rows, gpu, jump)
    figure(f"right after it: {said}; all right")
    assert said == {"runs": "processing", "waits": "queued"}


@needs_faketime
@BY_AN_HOUR
@pytest.mark.usefixtures("only_long")
@pytest.mark.parametrize("observer", ["inotify", "polling"])
def test_our_own_clock_is_set(
    rows: Rows, gpu: Simulator, tmp_path: Path, figure: Figure, ahead_s: int, observer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    clock = ProcessClock(tmp_path)
    watch = {"observer": observer, "poll_interval_s": 0.2, "rescan_s": 2.0}
    config = write_config(tmp_path, rows.url, gpu, **{**USUAL, "watch": watch})
    with under(clock, monkeypatch), running(config):
        said = live_through(rows, gpu, lambda: clock.set(ahead_s))
    figure(f"right after it: {said}; all right")
    assert said == {"runs": "processing", "waits": "queued"}


@BY_AN_HOUR
@pytest.mark.usefixtures("only_long")
def test_the_databases_clock_is_set(
    rows: Rows, gpu: Simulator, tmp_path: Path, figure: Figure, ahead_s: int
) -> None:
    clock = DatabaseClock(rows.url)
    with running(write_config(tmp_path, rows.url, gpu, **USUAL)) as service:
        said = live_through(rows, gpu, lambda: clock.set(ahead_s))
        assert service.process.poll() is None
    figure(f"right after it: {said}; all right")
    assert said == {"runs": "processing", "waits": "queued"}


@BY_AN_HOUR
@pytest.mark.usefixtures("only_long")
def test_the_databases_clock_is_set_while_a_server_is_away(
    rows: Rows, tmp_path: Path, figure: Figure, ahead_s: int
) -> None:
    """It has been away for a moment, and not for the hour after which its jobs are failed."""
    clock = DatabaseClock(rows.url)
    with Simulator(tmp_path / "out", pack=False) as gpu, closing(HttpProxy(gpu.url)) as proxy:
        config = write_config(
            tmp_path, rows.url, **USUAL, servers=[entry(proxy.url, gpu.output_dir)]
        )
        with running(config):
            job = rows.insert(comfyui_job_id=gpu.submit(picture(Outcome.ENDLESS)))
            rows.wait(job, "processing")
            proxy.misbehave(lambda visit: visit.hang_up())
            how = "select unreachable_how from reconciler.servers"
            wait_for(lambda: rows.sql(how)[0]["unreachable_how"] == "refused", "it is noticed")
            clock.set(ahead_s)
            threading.Event().wait(2.0)
            said = rows.row(job)["status"]
            proxy.behave()
            interrupt(gpu.url)
            rows.wait(job, "failed", "interrupted")
    figure(f"right after it: {said}; all right in the end; verdicts: {verdicts(rows, job)}")
    assert said == "processing"


@needs_faketime
@BY_AN_HOUR
@pytest.mark.usefixtures("only_long")
@pytest.mark.parametrize("pack", [True, False], ids=["with the pack", "without it"])
def test_comfyui_clock_is_off(
    rows: Rows, tmp_path: Path, figure: Figure, ahead_s: int, pack: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Its history, manifests and snapshots tell times of its own, and then it is set right."""
    clock = ProcessClock(tmp_path, ahead_s)
    with ExitStack() as stack:
        with under(clock, monkeypatch):
            without = [] if pack else ["--no-pack"]
            gpu = stack.enter_context(simulating(tmp_path / "out", *without))
        config = write_config(tmp_path, rows.url, **USUAL, servers=[entry(gpu.url, gpu.output_dir)])
        stack.enter_context(running(config))
        said = live_through(rows, gpu, lambda: clock.set(0))
    figure(f"right after it was set right: {said}; all right")
    assert said == {"runs": "processing", "waits": "queued"}


@BY_AN_HOUR
@pytest.mark.usefixtures("only_long")
def test_files_of_another_clock(rows: Rows, tmp_path: Path, figure: Figure, ahead_s: int) -> None:
    """The storage's clock is off: files are an hour older than their jobs, or of the future."""
    with Simulator(tmp_path / "out", pack=False) as gpu:
        config = write_config(tmp_path, rows.url, gpu, **USUAL)
        with running(config):
            wait_for(rows.exists, "the table is there")
        job = rows.insert()
        prompt_id = gpu.submit(picture(), job_id=job)
        file = Path(gpu.wait_until_ended(prompt_id).main_file or "")
        at_s = time.time() + ahead_s
        os.utime(file, (at_s, at_s))
        began_s = time.monotonic()
        with running(config):
            rows.wait(job, "completed")
    figure(f"right {time.monotonic() - began_s:.1f} s after the start")
