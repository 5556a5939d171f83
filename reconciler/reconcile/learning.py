"""Past runs: noted as prompts end, and learned from."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from reconciler import metrics
from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, NodeRun
from reconciler.core.kinds import Kind, PromptRun, Run, Sizes
from reconciler.core.lessons import Lessons
from reconciler.reconcile.live import Heard
from reconciler.store.records import JobRecord, PromptRecord
from reconciler.store.runs import RunStore
from reconciler.store.states import job_type_of

#: Seconds between two looks at what other agents noted.
REFRESH_S = 60.0
#: Transactions that began earlier may be committed later, by so many seconds.
LATE_COMMIT_S = 30.0
#: Prompts that are known to have been learned from.
MAX_LEARNED = 50_000
#: A run of another length is a mistake of a clock, in seconds.
LONGEST_S = 1e7
MOST = 10**9


@dataclass
class Learner:
    """Notes each run once, and keeps what all of them teach. One thread has it."""

    store: RunStore
    lessons: Lessons = field(default_factory=Lessons)
    _noted: dict[str, PromptRun] = field(default_factory=dict)
    _learned: OrderedDict[str, None] = field(default_factory=OrderedDict)
    #: Up to when the stored runs were read, and when that was, by the database's clock.
    _read_to: float | None = None
    _read_at: float = 0.0

    def note(
        self,
        record: JobRecord,
        prompt: PromptRecord,
        ended: EndedPrompt,
        heard: tuple[NodeRun, ...],
        now: float,
    ) -> None:
        """Takes note of a prompt that was just found to have ended, at `now`, and of the nodes that
        were heard to run."""
        found = _record(record, prompt, ended, heard, now)
        if found is not None:
            self._noted[prompt.prompt_id] = found

    def noted(self) -> list[PromptRun]:
        """What was noted and is not stored yet."""
        return list(self._noted.values())

    def stored(self) -> None:
        """What was noted is stored: it is learned from."""
        self._learn(list(self._noted.values()))
        for run in self._noted.values():
            metrics.ran(run.kind.value, run.run.ran_s, run.waited_s)
        self._noted.clear()

    def refresh(self, now: float) -> None:
        """Reads what is stored: all of it once, and then what others added. Raises
        DatabaseError."""
        if self._read_to is None:
            self._learn(self.store.newest())
        elif now - self._read_at >= REFRESH_S:
            self._learn(self.store.noted_since(self._read_to - LATE_COMMIT_S))
        else:
            return
        self._read_to = self._read_at = now

    def _learn(self, records: list[PromptRun]) -> None:
        new = [r for r in records if r.teaches and r.prompt_id not in self._learned]
        self.lessons.add(record.run for record in new)
        self._learned.update((record.prompt_id, None) for record in new)
        while len(self._learned) > MAX_LEARNED:
            self._learned.popitem(last=False)


def kind_of(record: JobRecord | None, found: QueuedPrompt | None, server: str | None) -> Kind:
    """What is known of the kind of a job's prompt. The row's own word on its size counts most."""
    sizes = Sizes() if record is None else _sizes_of(record)
    job_type = None if record is None else job_type_of(record.job)
    if found is None:
        return Kind(None, job_type, server, sizes)
    return Kind(found.workflow, job_type, server, sizes.or_else(found.sizes))


def _sizes_of(record: JobRecord) -> Sizes:
    frames = record.job.frames
    known = isinstance(frames, int) and 0 < frames <= MOST
    expects = record.expects
    return Sizes(frames if known else None, _pixels(expects.width), _pixels(expects.height))


def _pixels(value: int | None) -> int | None:
    return value if value is not None and value <= MOST else None


def _record(
    record: JobRecord,
    prompt: PromptRecord,
    ended: EndedPrompt,
    heard: tuple[NodeRun, ...],
    now: float,
) -> PromptRun | None:
    """None where it did not run, or nobody knows for how long."""
    ending = ended.ending
    ran_s = _ran_s(ending, prompt, now)
    if ending.kind is EndKind.REMOVED or ran_s is None or not 0 <= ran_s < LONGEST_S:
        return None
    nodes = ended.ran if ended.ran is not None else heard
    ended_at = now if ending.ended_at is None else ending.ended_at
    if not 0 <= ended_at <= now:  # ComfyUI's clock is ahead, or tells nonsense
        ended_at = now
    created_at = ended.prompt.created_at
    waited = None not in (created_at, ending.started_at)
    return PromptRun(
        prompt.prompt_id,
        record.job.id,
        prompt.attempt,
        ending.kind,
        Run(kind_of(record, ended.prompt, prompt.server), ran_s, ended_at, nodes),
        max(ending.started_at - created_at, 0.0) if waited else None,  # type: ignore[operator]
        ended.cached_nodes,
        "manifest" if ended.ran is not None else "heard" if nodes else None,
        reused=ending.cached,
    )


def _ran_s(ending: Ending, prompt: PromptRecord, now: float) -> float | None:
    """By ComfyUI's clock, which is compared with itself; else as long as we saw it run."""
    if ending.started_at is not None and ending.ended_at is not None:
        return ending.ended_at - ending.started_at
    return None if prompt.running_since is None else now - prompt.running_since


def nodes_heard(heard: Heard | None, now_s: float) -> tuple[NodeRun, ...]:
    """The nodes that were heard to run, in that order; the last one until now, by the monotonic
    clock, since nobody says that it ended."""
    if heard is None:
        return ()
    ran = dict(heard.ran)
    if heard.node_id is not None:
        ran[heard.node_id] = (heard.node_type or "", max(now_s - heard.node_at, 0.0))
    return tuple(NodeRun(node_id, kind, round(s, 3)) for node_id, (kind, s) in ran.items())
