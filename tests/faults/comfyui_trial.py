"""Jobs that live through a fault of their ComfyUI server, and what their rows said of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from reconciler.simulator.graph import Graph
from reconciler.simulator.graphs import render_graph
from reconciler.simulator.outcomes import Outcome, Saver
from reconciler.simulator.simulator import Simulator
from tests.faults.http_proxy import HttpProxy, Manner
from tests.faults.measuring import Load, measured
from tests.integration.running import Rows, running, write_config
from tests.waiting import wait_for

#: Every grace is much shorter than a fault: whoever took silence for evidence would be wrong.
HASTY: dict[str, Any] = {
    "reconcile": {"interval_s": 0.2},
    "outputs": {"unsound_confirm_s": 0.2, "missing_output_grace_s": 0.5, "settle_s": 0.1},
    "stall": {"no_progress_s": 60.0, "startup_grace_s": 0.5},
    "lost": {"confirmations": 2, "grace_s": 0.4, "restart_grace_s": 0.3},
    "watch": {"rescan_s": 2.0},
    "comfyui": {"timeout_s": 0.5, "connect_timeout_s": 0.5, "socket_silence_s": 5.0},
}

#: What becomes of the jobs of a trial, in the order of its queue.
ENDINGS = {
    "is cancelled during it": "failed: interrupted",
    "ends during it": "completed",
    "breaks during it": "failed: execution_error",
    "outlasts it": "failed: interrupted",
    "comes during it": "completed",
}
FINAL = ("completed", "failed", "cancelled")
#: Those whose prompts end while the fault lasts.
DURING = ("is cancelled during it", "ends during it", "breaks during it")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one server."""

    name: str
    http: Manner | None = None
    websocket: Manner | None = None
    #: The node pack is installed there.
    pack: bool = False
    #: It keeps nobody from the truth: rows are right while it lasts.
    harmless: bool = False


@dataclass
class Result:
    """What was seen of it."""

    #: What each row said right before the end of the fault.
    said: dict[str, str] = field(default_factory=dict)
    #: How the server failed us, in the word that is stored; None where it did not.
    how: str | None = None
    #: From the end of the fault until the rows were right of all prompts that had ended by then.
    right_s: float = 0.0
    #: Verdicts that were not true when they were written.
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [f"what {job}: {said}" for job, said in self.said.items()]
        right = f"right {self.right_s:.1f} s after it" if self.right_s > 0 else "right meanwhile"
        return "; ".join([f"server: {self.how or 'answers'}", *rows, right])


@dataclass(frozen=True, slots=True)
class Played:
    """What was seen of faults that lasted at the same time."""

    results: dict[str, Result]
    #: Of the service, while they lasted.
    load: Load
    #: How long a job of another server took meanwhile, from its submission to its row.
    other_s: float

    def __str__(self) -> str:
        cost = f"{self.load.cpu_share:.0%} of a processor, {self.load.gained_mib:.0f} MiB more"
        return f"a job of another server took {self.other_s:.1f} s; the service took {cost}"


class Trial:
    """One server behind its proxy, and its jobs."""

    def __init__(self, number: int, fault: Fault, rows: Rows, folder: Path) -> None:
        self.fault = fault
        self.result = Result()
        self.gpu = Simulator(folder / f"out{number}", pack=fault.pack)
        self._server = f"gpu{number}"
        self._rows = rows
        self._jobs: dict[str, str] = {}
        self._prompts: dict[str, str] = {}

    def open(self, stack: ExitStack) -> dict[str, str]:
        """Start the server and its proxy; returns its entry in the settings."""
        stack.enter_context(self.gpu)
        self.proxy = HttpProxy(self.gpu.url)
        stack.callback(self.proxy.close)
        return {
            "name": self._server,
            "url": self.proxy.url,
            "output_dir": str(self.gpu.output_dir),
        }

    def begin(self) -> None:
        """Submit what is to live through the fault: the first runs until it is interrupted."""
        self._submit("is cancelled during it", Outcome.ENDLESS)
        self._submit("ends during it", Outcome.SUCCESS)
        self._submit("breaks during it", Outcome.ERROR)
        self._submit("outlasts it", Outcome.ENDLESS)

    def await_start(self) -> None:
        """The service knows all of them."""
        first = next(iter(self._jobs))
        wait_for(lambda: self._say(first) == "processing", f"{self._server} runs its first prompt")
        wait_for(lambda: self._seen() == len(self._jobs), f"{self._server}: all were seen")

    def misbehave(self) -> None:
        """The fault begins; behind its back three prompts end."""
        self.proxy.misbehave(self.fault.http, self.fault.websocket)
        self._interrupt("is cancelled during it")
        for job in DURING:
            self.gpu.wait_until_ended(self._prompts[job])
        self._submit("comes during it", Outcome.SUCCESS)

    def behave(self) -> None:
        """It ends."""
        self.result.said = {job: self._say(job) for job in self._jobs}
        how = "select unreachable_how from reconciler.servers where name = %s"
        self.result.how = self._rows.sql(how, self._server)[0]["unreachable_how"]
        self._over_at = self._rows.sql("select clock_timestamp() as now")[0]["now"]
        self.proxy.behave()

    def await_truth(self) -> None:
        """Every row is right, in the end; notes how soon those are that had ended."""
        for job in DURING:
            self._await_row(job)
        last = "select max(at) as at from reconciler.events where to_status in %s and job_id in %s"
        jobs = tuple(self._jobs[job] for job in DURING)
        told_at = self._rows.sql(last, FINAL, jobs)[0]["at"]
        self.result.right_s = (told_at - self._over_at).total_seconds()
        self._interrupt("outlasts it")
        for job in self._jobs:
            self._await_row(job)
        self.result.wrong = self._wrong_verdicts()

    def _await_row(self, job: str) -> None:
        said = f"{self.fault.name}: what {job} is {ENDINGS[job]}"
        wait_for(lambda: self._say(job) == ENDINGS[job], said)

    def _interrupt(self, job: str) -> None:
        prompt_id = self._prompts[job]
        body = {"prompt_id": prompt_id}
        requests.post(f"{self.gpu.url}/interrupt", json=body, timeout=10.0).raise_for_status()

    def _submit(self, job: str, outcome: Outcome) -> None:
        self._prompts[job] = self.gpu.submit(picture(outcome, seed=len(self._jobs)))
        self._jobs[job] = self._rows.insert(comfyui_job_id=self._prompts[job])

    def _say(self, job: str) -> str:
        row = self._rows.row(self._jobs[job])
        error = (row["error"] or "").split(":")[0]
        return f"{row['status']}: {error}" if error else str(row["status"])

    def _seen(self) -> int:
        known = "select count(*) as n from reconciler.prompts where ever_seen and server = %s"
        return int(self._rows.sql(known, self._server)[0]["n"])

    def _wrong_verdicts(self) -> list[str]:
        verdicts = self._rows.sql(
            "select job_id, to_status, failure, reason from reconciler.events"
            " where to_status in %s and job_id in %s",
            FINAL,
            tuple(self._jobs.values()),
        )
        names = {job_id: job for job, job_id in self._jobs.items()}
        told = [(names[v["job_id"]], v) for v in verdicts]
        wrong = [
            f"{job}: {verdict['failure']}, {verdict['reason']}"
            for job, verdict in told
            if ": ".join(filter(None, (verdict["to_status"], verdict["failure"]))) != ENDINGS[job]
        ]
        twice = len(told) - len({job for job, _ in told})
        return wrong + ([f"{twice} verdicts were told twice"] if twice else [])


def play(
    url: str, folder: Path, faults: Sequence[Fault], fault_s: float, **settings: Any
) -> Played:
    """All these faults at once, each of a server of its own; and one server that is well."""
    rows = Rows(url)
    trials = [Trial(n, fault, rows, folder) for n, fault in enumerate(faults)]
    with ExitStack() as stack:
        servers = [trial.open(stack) for trial in trials]
        well = stack.enter_context(Simulator(folder / "well"))
        servers.append({"name": "well", "url": well.url, "output_dir": str(well.output_dir)})
        config = write_config(folder, url, **{**HASTY, **settings, "servers": servers})
        service = stack.enter_context(running(config))
        for trial in trials:
            trial.begin()
        for trial in trials:
            trial.await_start()
        with measured(service.process.pid) as load:
            over_s = time.monotonic() + fault_s
            for trial in trials:
                trial.misbehave()
            other_s = _one_job(rows, well)
            threading.Event().wait(over_s - time.monotonic())
        for trial in trials:
            trial.behave()
        for trial in trials:
            trial.await_truth()
        assert service.process.poll() is None
        assert "a defect" not in service.log.read_text(), service.log.read_text()[-5000:]
    return Played({trial.fault.name: trial.result for trial in trials}, load, other_s)


def _one_job(rows: Rows, gpu: Simulator) -> float:
    """A job of a server that is well, and the seconds that it took."""
    began_s = time.monotonic()
    rows.wait(rows.insert(comfyui_job_id=gpu.submit(picture())), "completed")
    return time.monotonic() - began_s


def picture(outcome: Outcome = Outcome.SUCCESS, seed: int = 0, **more: Any) -> Graph:
    """A prompt that costs next to nothing."""
    size: dict[str, Any] = {"frames": 1, "width": 64, "height": 64}
    return render_graph(outcome, saver=Saver.SAVE_IMAGE, seed=seed, **size, **more)
