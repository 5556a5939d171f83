"""Progress and remaining time of the jobs of one pass, from what was heard of their prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from reconciler.comfyui.values import QueuedPrompt
from reconciler.core.case import Decision, Stage
from reconciler.core.estimate import Work, expected_s, left, percent
from reconciler.core.evidence import Place
from reconciler.core.jobs import Job, Status
from reconciler.core.lessons import Lessons
from reconciler.core.nodes import NodeLessons
from reconciler.core.policy import Policy
from reconciler.core.spans import Span, total
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.learning import kind_of
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.records import JobRecord, PromptRecord


@dataclass(frozen=True, slots=True)
class Progress:
    """Percent (100 only when completed) and seconds to go, as median and as what nine of ten do not
    exceed; None where nothing is known."""

    percent: int | None = None
    eta_s: float | None = None
    eta_high_s: float | None = None
    #: Until a waiting prompt begins, as is expected.
    wait_s: float | None = None


#: Mean and variance of a sum of durations.
Sum = tuple[float, float]


class Estimator:
    """Says how far each job is. Built for one pass: it knows who waits behind whom."""

    def __init__(
        self,
        records: list[JobRecord],
        servers: dict[str, WatchedServer],
        live: LiveSigns,
        clock: DatabaseClock,
        policy: Policy,
        *,
        lessons: Lessons,
    ) -> None:
        self._servers = servers
        self._live = live
        self._clock = clock
        self._policy = policy
        self._lessons = lessons
        self._by_prompt = {p.prompt_id: (r, p) for r in records for p in r.prompts}
        self._sums: dict[str, list[Sum]] = {}
        self._running_left: dict[str, Sum] = {}
        #: By what they depend on: of ten thousand jobs few are unlike.
        self._spans: dict[tuple[object, ...], tuple[Span, Sum]] = {}

    def estimate(self, record: JobRecord, decision: Decision) -> Progress:
        """What row and state may say about progress under this decision."""
        if decision.status.is_final:
            return Progress(100 if decision.status is Status.COMPLETED else record.progress)
        if decision.stage is Stage.VALIDATING:
            return Progress(percent=99)
        _, prompt = self._by_prompt.get(decision.prompt_id or "", (None, None))
        if decision.stage is Stage.RUNNING and prompt is not None:
            return self._running(record, prompt)
        if decision.stage is Stage.PENDING and prompt is not None:
            # Of a blocked server nobody knows when it will be restarted.
            return Progress(0) if decision.rule == "blocked" else self._pending(record, prompt)
        return Progress(record.progress, record.eta_s, record.eta_high_s)

    def _running(self, record: JobRecord, prompt: PromptRecord) -> Progress:
        found = self._found(prompt)
        work = self._work(prompt, found)
        nodes = self._nodes(record, found, prompt)
        done = record.progress if work is None else percent(work, record.progress or 0, nodes)
        return _progress(done, self._left(record, prompt))

    def _left(self, record: JobRecord, prompt: PromptRecord) -> Span | None:
        if prompt.running_since is None:
            return None
        found = self._found(prompt)
        nodes = self._nodes(record, found, prompt)
        work = self._work(prompt, found) or Work()
        elapsed_s = self._clock.now() - prompt.running_since
        expected, _ = self._expected(record, found, prompt.server)
        return left(work, elapsed_s, expected, nodes)

    def _work(self, prompt: PromptRecord, found: QueuedPrompt | None) -> Work | None:
        """What was heard of a running prompt; None where nothing was."""
        heard = self._live.of(prompt.prompt_id)
        if heard is None:
            return None
        return Work(
            found.graph_nodes if found is not None else None,
            heard.nodes_done,
            heard.value,
            heard.maximum,
            heard.node_id,
            max(self._clock.now() - self._clock.at(heard.node_at), 0.0),
            {node: seconds for node, (_, seconds) in heard.ran.items()},
        )

    def _pending(self, record: JobRecord, prompt: PromptRecord) -> Progress:
        """Until a waiting prompt ends: what runs, all that stands before it, and itself."""
        server = self._servers.get(prompt.server or "")
        if server is None:
            return self._waited((0.0, 0.0), self._expected(record, None, prompt.server)[1])
        if server.name not in self._running_left:
            self._running_left[server.name] = self._left_of_running(server)
        running = self._running_left[server.name]
        place, position, found = server.find(prompt.prompt_id)
        if place is not Place.PENDING or position is None:
            own = self._expected(record, found, server.name)[1]
            return self._waited(running, _plus(running, own))
        sums = self._sums_of(server)
        last = min(position, len(sums) - 1)  # a second look may have found more
        return self._waited(_plus(running, sums[last - 1]), _plus(running, sums[last]))

    @staticmethod
    def _waited(wait: Sum, whole: Sum) -> Progress:
        span = total(*whole)
        return Progress(0, span.p50_s, span.p90_s, min(wait[0], span.p50_s))

    def _left_of_running(self, server: WatchedServer) -> Sum:
        """Of what runs: the longest, where several do."""
        running = [self._by_prompt.get(queued.prompt_id) for queued in server.queue.running]
        spans = [self._left(record, prompt) for record, prompt in filter(None, running)]
        longest = max(filter(None, spans), key=lambda span: span.p50_s, default=None)
        return (0.0, 0.0) if longest is None else _sum(longest)

    def _sums_of(self, server: WatchedServer) -> list[Sum]:
        """What the first prompts of a queue take, none, one, two, ... of them. Summed up once: long
        queues are asked for each of their prompts."""
        sums = self._sums.get(server.name)
        if sums is None:
            each = (self._sum_of(queued, server.name) for queued in server.queue.pending)
            sums = list(accumulate(each, _plus, initial=(0.0, 0.0)))
            self._sums[server.name] = sums
        return sums

    def _sum_of(self, queued: QueuedPrompt, server: str) -> Sum:
        record, _ = self._by_prompt.get(queued.prompt_id, (None, None))
        return self._expected(record, queued, server)[1]

    def _expected(
        self, record: JobRecord | None, found: QueuedPrompt | None, server: str | None
    ) -> tuple[Span, Sum]:
        job = _STRANGER if record is None else record.job
        shown = None if found is None else (found.workflow, found.sizes)
        size = None if record is None else (record.expects.width, record.expects.height)
        key = (job.job_type, job.frames, size, shown, server)
        known = self._spans.get(key)
        if known is None:
            kind = kind_of(record, found, server)
            if job.frames is None:  # thresholds go by the row alone; an estimate may be wrong
                job = replace(job, frames=kind.sizes.frames)
            span = self._lessons.expected(kind, expected_s(job, self._policy.stall, server))
            known = self._spans[key] = span, _sum(span)
        return known

    def _nodes(
        self, record: JobRecord, found: QueuedPrompt | None, prompt: PromptRecord
    ) -> NodeLessons | None:
        """What the nodes took before; of a graph that never ran, what such nodes usually take."""
        known = self._lessons.nodes(kind_of(record, found, prompt.server))
        return known or self._lessons.guess(found.node_types if found is not None else {})

    def _found(self, prompt: PromptRecord) -> QueuedPrompt | None:
        server = self._servers.get(prompt.server or "")
        return None if server is None else server.find(prompt.prompt_id)[2]


def _progress(percent: int | None, span: Span | None) -> Progress:
    return Progress(percent) if span is None else Progress(percent, span.p50_s, span.p90_s)


def _sum(span: Span) -> Sum:
    return span.mean_s, span.variance


def _plus(one: Sum, other: Sum) -> Sum:
    return one[0] + other[0], one[1] + other[1]


#: A prompt of nobody's that we know: it takes as long as a job whose frames are unknown.
_STRANGER = Job("", Status.QUEUED, None, 1, None, 0.0)
