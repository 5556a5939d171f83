"""Plays the demonstration: two simulated GPUs, a real Postgres, the real service, real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.live import Live

from reconciler.core.jobs import FailureCode, Status
from reconciler.demo.application import Application, delete, interrupt
from reconciler.demo.scenario import HEALTHY, TROUBLED, Act, Meddling, expected
from reconciler.demo.screen import comparison, live_table
from reconciler.errors import ReconcilerError
from reconciler.simulator.simulator import Simulator
from reconciler.simulator.truth import TruthEntry
from reconciler.store.embedded import ensure_running, stop

#: The whole demonstration ends before this, agreeing or not.
PATIENCE_S = 85.0
#: The page is there sooner, or is not waited for.
PAGE_S = 10.0
#: When the picture for the README is taken: some jobs have ended, one runs, some wait.
PICTURE_AT_S = 17.0
#: Thresholds shortened so that a minute shows what takes a quarter of an hour in production.
SHORTENED: dict[str, Any] = {
    "reconcile": {"interval_s": 1.0},
    "outputs": {"unsound_confirm_s": 2.0, "missing_output_grace_s": 3.0, "settle_s": 0.5},
    "stall": {"no_progress_s": 6.0, "startup_grace_s": 1.0},
    "lost": {"confirmations": 3, "grace_s": 4.0, "restart_grace_s": 2.0},
}


@dataclass(slots=True)
class Played:
    """A job that was submitted, and where."""

    act: Act
    job_id: str
    prompt_id: str
    simulator: Simulator


def play(*, keep: bool = False, folder: Path | None = None, picture: Path | None = None) -> bool:
    """Plays everything and compares. True if every row agrees with what really happened.

    With `keep` it goes on running until interrupted. `folder` keeps the files; without it they
    lie in a temporary folder that is deleted at the end. `picture` gets an SVG of the screen in
    the middle of it, for the README.
    """
    console = Console()
    with ExitStack() as stack:
        home = _home(stack, folder)
        gpus = [stack.enter_context(Simulator(home / f"gpu{n}", speed=1.0)) for n in (1, 2)]
        data_dir = home / "data"
        url = ensure_running(data_dir)
        stack.callback(stop, data_dir)
        config = _write_config(home, gpus, data_dir)
        console.print(
            "Two simulated GPUs with the real node pack, a real Postgres, the real service, real"
            " files. Thresholds are"
            f" shortened for it (stalled after {SHORTENED['stall']['no_progress_s']:.0f} s of"
            " silence instead of 15 minutes).",
            style="dim",
        )
        stack.enter_context(_service(config, home))
        if (page := _page(home / "service.log")) is not None:
            console.print(f"In a browser: {page}", soft_wrap=True, markup=False)
        application = Application(url)
        stack.callback(application.close)
        agree = Stageplay(application, gpus[0], gpus[1], console, picture).run()
        if keep:
            _keep(console, config, url, gpus)
        return agree


class Stageplay:
    """The run of one demonstration."""

    def __init__(
        self,
        application: Application,
        healthy: Simulator,
        troubled: Simulator,
        console: Console,
        picture: Path | None = None,
    ) -> None:
        self._application = application
        self._healthy = healthy
        self._troubled = troubled
        self._console = console
        self._picture = picture
        self._played: list[Played] = []
        self._began = time.monotonic()

    def run(self) -> bool:
        """Submits, meddles, shows, waits until all rows are final, and compares."""
        wait_for(self._table_is_there, 20.0, "the service creates the jobs table")
        for act in HEALTHY:
            self._submit(act, self._healthy)
        trouble = threading.Thread(target=self._make_trouble, daemon=True)
        trouble.start()
        with Live(self._table(), console=self._console, refresh_per_second=8) as live:
            while self._elapsed_s() < PATIENCE_S:
                self._meddle()
                live.update(self._table())
                if self._picture is not None and self._elapsed_s() > PICTURE_AT_S:
                    self._save_picture(self._picture)
                    self._picture = None
                if not trouble.is_alive() and self._all_final():
                    break
                time.sleep(0.1)
        return self._compare()

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _save_picture(self, path: Path) -> None:
        """What is on the screen now, as a picture."""
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            paper = Console(record=True, width=96, file=nowhere, force_terminal=True)
            paper.print(self._table())
            paper.save_svg(os.fspath(path), title="make demo")

    def _table_is_there(self) -> bool:
        try:
            self._application.rows()
        except Exception:
            return False
        return True

    def _submit(self, act: Act, simulator: Simulator) -> Played:
        number = len(self._played) + 1
        job_id, prompt_id = self._application.submit(act, number, simulator)
        self._played.append(Played(act, job_id, prompt_id, simulator))
        return self._played[-1]

    def _make_trouble(self) -> None:
        """The troubled GPU: what hangs is ended by a restart, as an operator would."""
        for act in TROUBLED:
            played = self._submit(act, self._troubled)
            wait_for(lambda p=played: self._is_final(p), PATIENCE_S, act.title)  # type: ignore[misc]
            if act is not TROUBLED[1]:
                self._troubled.crash(restart_after_s=1.0)
                wait_for(lambda: _answers(self._troubled), 20.0, "the restart")

    def _meddle(self) -> None:
        running = self._truth_of
        for played in self._played:
            truth = running(played)
            begun = truth is not None and truth.started_at is not None
            over = truth is None or truth.ending is not None or self._is_final(played)
            if over:
                continue
            if played.act.meddling is Meddling.DELETE:
                # Once the reconciler has seen it waiting, so that there is something to miss.
                if self._says(played, "queue_position") is not None:
                    delete(played.simulator, played.prompt_id)
            elif begun and played.act.meddling is Meddling.INTERRUPT:
                if self._says(played, "status") == "processing":
                    interrupt(played.simulator, played.prompt_id)
            elif begun and played.act.meddling is Meddling.CANCEL_ROW:
                self._application.cancel(played.job_id)

    def _table(self) -> Any:
        return live_table(self._application.rows(), self._elapsed_s())

    def _says(self, played: Played, column: str) -> Any:
        rows = {row["id"]: row for row in self._application.rows()}
        return rows[played.job_id][column]

    def _is_final(self, played: Played) -> bool:
        return Status(self._application.status(played.job_id)).is_final

    def _all_final(self) -> bool:
        return all(Status(row["status"]).is_final for row in self._application.rows())

    def _truth_of(self, played: Played) -> TruthEntry | None:
        truths = {entry.prompt_id: entry for entry in played.simulator.truth()}
        return truths.get(played.prompt_id)

    def _compare(self) -> bool:
        rows = {row["id"]: row for row in self._application.rows()}
        lines = [self._line(played, rows[played.job_id]) for played in self._played]
        self._console.print(comparison(lines))
        agree = sum(line[-1] for line in lines)
        self._console.print(
            f"{agree} of {len(lines)} rows agree with what really happened"
            f" ({self._elapsed_s():.0f} s)."
        )
        return agree == len(HEALTHY) + len(TROUBLED)

    def _line(self, played: Played, row: dict[str, Any]) -> tuple[str, str, str, str, bool]:
        truth = self._truth_of(played)
        assert truth is not None
        must_be = expected(played.act, truth)
        failure = FailureCode(row["failure"]) if row["failure"] else None
        says = (Status(row["status"]), failure)
        agrees = says == must_be and _same_file(row, truth, must_be[0], played.act)
        return played.job_id, played.act.title, _words(*must_be), _words(*says), agrees


def wait_for(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Waits until the condition holds. Raises ReconcilerError saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ReconcilerError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.05)


def _same_file(row: dict[str, Any], truth: TruthEntry, status: Status, act: Act) -> bool:
    """A completed row must point at the very file that was written, not at any sound one."""
    if status is not Status.COMPLETED:
        return True
    if truth.main_file is None or act.seed is not None:  # cached: an earlier prompt's file
        return row["output_path"] is not None and Path(row["output_path"]).is_file()
    return bool(row["output_path"] == truth.main_file)


def _words(status: Status, failure: FailureCode | None) -> str:
    return status.value if failure is None else failure.value


def _answers(simulator: Simulator) -> bool:
    try:
        return requests.get(f"{simulator.url}/prompt", timeout=2.0).status_code == 200
    except requests.RequestException:
        return False


def _home(stack: ExitStack, folder: Path | None) -> Path:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()
    home = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
    home.chmod(0o711)  # root's Postgres runs under an account of its own, and must get through
    stack.callback(shutil.rmtree, home, ignore_errors=True)
    return home


def _write_config(home: Path, gpus: list[Simulator], data_dir: Path) -> Path:
    servers = [
        {"name": f"gpu{n}", "url": gpu.url, "output_dir": str(gpu.output_dir)}
        for n, gpu in enumerate(gpus, start=1)
    ]
    settings = {**SHORTENED, "servers": servers, "data_dir": str(data_dir)}
    config = home / "reconciler.yaml"
    # JSON is YAML, and needs no second writer.
    config.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return config


@contextmanager
def _service(config: Path, home: Path) -> Iterator[None]:
    """The real service, as a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")}
    with (home / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "reconciler", "run", "--config", os.fspath(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _page(log: Path) -> str | None:
    """Where the service can be looked at, as its log says; None where it does not say it soon."""
    found: list[str] = []

    def is_told() -> bool:
        lines = log.read_text(encoding="utf-8").splitlines()
        found.extend(_url_of(line) for line in lines if '"web interface"' in line)
        return bool(found)

    with suppress(ReconcilerError):
        wait_for(is_told, PAGE_S, "the service tells where its page is")
    return found[0] if found else None


def _url_of(line: str) -> str:
    url: str = json.loads(line)["url"]
    return url


def _keep(console: Console, config: Path, url: str, gpus: list[Simulator]) -> None:
    console.print("\nStill running; Ctrl-C ends it. In another terminal:")
    console.print(f"  reconciler status --config {config}", soft_wrap=True, markup=False)
    console.print(f"  psql '{url}' -c 'table production_jobs'", soft_wrap=True, markup=False)
    for gpu in gpus:
        console.print(f"  ComfyUI: {gpu.url}", soft_wrap=True, markup=False)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
