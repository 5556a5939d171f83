"""Progress and remaining time of the jobs of one pass, from what was heard of their prompts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from reconciler.core.case import Decision, Stage
from reconciler.core.estimate import Work, expected_s, left_s, percent, wait_s
from reconciler.core.evidence import Place
from reconciler.core.jobs import Job, Status
from reconciler.core.policy import Policy
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.records import JobRecord, PromptRecord


@dataclass(frozen=True, slots=True)
class Progress:
    """Percent (100 only when completed) and seconds to go; None where nothing is known."""

    percent: int | None = None
    eta_s: float | None = None


class Estimator:
    """Says how far each job is. Built for one pass: it knows who waits behind whom."""

    def __init__(
        self,
        records: list[JobRecord],
        servers: dict[str, WatchedServer],
        live: LiveSigns,
        clock: DatabaseClock,
        policy: Policy,
    ) -> None:
        self._servers = servers
        self._live = live
        self._clock = clock
        self._policy = policy
        self._by_prompt = {p.prompt_id: (r, p) for r in records for p in r.prompts}
        self._sums: dict[str, list[float]] = {}
        self._running_left_s: dict[str, float] = {}
        #: By what it depends on: of ten thousand jobs few are unlike.
        self._expected: dict[tuple[str | None, int | None, str | None], float] = {}

    def estimate(self, record: JobRecord, decision: Decision) -> Progress:
        """What row and state may say about progress under this decision."""
        if decision.status is Status.COMPLETED:
            return Progress(percent=100)
        if decision.status.is_final:
            return Progress(percent=record.progress)
        if decision.stage is Stage.VALIDATING:
            return Progress(percent=99)
        _, prompt = self._by_prompt.get(decision.prompt_id or "", (None, None))
        if decision.stage is Stage.RUNNING and prompt is not None:
            return self._running(record, prompt)
        if decision.stage is Stage.PENDING and prompt is not None:
            is_blocked = decision.rule == "blocked"  # nobody knows when ComfyUI will be restarted
            wait_s = self._wait_s(prompt) + self._expected_s(record.job, prompt.server)
            return Progress(percent=0, eta_s=None if is_blocked else wait_s)
        return Progress(percent=record.progress, eta_s=record.eta_s)

    def _running(self, record: JobRecord, prompt: PromptRecord) -> Progress:
        heard, done = self._live.of(prompt.prompt_id), record.progress
        if heard is not None:
            server = self._servers.get(prompt.server or "")
            found = server.find(prompt.prompt_id)[2] if server is not None else None
            work = Work(
                found.graph_nodes if found is not None else None,
                heard.nodes_done,
                heard.value,
                heard.maximum,
            )
            done = percent(work, done or 0)
        return Progress(done, self._left_s(record, prompt, done or 0))

    def _left_s(self, record: JobRecord, prompt: PromptRecord, done: int) -> float | None:
        if prompt.running_since is None:
            return None
        elapsed_s = self._clock.now() - prompt.running_since
        return left_s(done, elapsed_s, self._expected_s(record.job, prompt.server))

    def _wait_s(self, prompt: PromptRecord) -> float:
        """Seconds until a waiting prompt starts: what runs, and all that stands before it."""
        server = self._servers.get(prompt.server or "")
        if server is None:
            return 0.0
        if server.name not in self._running_left_s:
            self._running_left_s[server.name] = self._left_of_running_s(server)
        place, position, _ = server.find(prompt.prompt_id)
        ahead_s = self._ahead_s(server, position or 1) if place is Place.PENDING else 0.0
        return wait_s([ahead_s], self._running_left_s[server.name])

    def _left_of_running_s(self, server: WatchedServer) -> float:
        running = [self._by_prompt.get(queued.prompt_id) for queued in server.queue.running]
        left = [
            self._left_s(record, prompt, record.progress or 0)
            for record, prompt in filter(None, running)
        ]
        return max(filter(None, left), default=0.0)

    def _ahead_s(self, server: WatchedServer, position: int) -> float:
        """Seconds that all before this position take. Summed up once: long queues are asked for
        each of their prompts."""
        sums = self._sums.get(server.name)
        if sums is None:
            pending = server.queue.pending
            expected = (self._expected_of(queued.prompt_id, server.name) for queued in pending)
            sums = self._sums[server.name] = list(accumulate(expected, initial=0.0))
        return sums[min(position, len(sums)) - 1]  # a second look may have found more

    def _expected_of(self, prompt_id: str, server: str) -> float:
        record, _ = self._by_prompt.get(prompt_id, (None, None))
        return self._expected_s(record.job if record is not None else _STRANGER, server)

    def _expected_s(self, job: Job, server: str | None) -> float:
        key = (job.job_type, job.frames, server)
        if key not in self._expected:
            self._expected[key] = expected_s(job, self._policy.stall, server)
        return self._expected[key]


#: A prompt of nobody's that we know: it takes as long as a job whose frames are unknown.
_STRANGER = Job("", Status.QUEUED, None, 1, None, 0.0)
