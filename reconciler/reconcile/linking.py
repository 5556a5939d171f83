"""Which prompts that carry a job's id are linked to it, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from comfy_node.contract import FROM_NODE
from reconciler.comfyui.values import QueuedPrompt
from reconciler.reconcile.notes import CLOCK_SKEW_S
from reconciler.store.records import JobRecord

#: Where a prompt was found: handed back as it came.
Where = TypeVar("Where")
#: Refusals that are remembered.
MAX_REFUSED = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a prompt that carries the id of this row, and why."""

    record: JobRecord
    links: bool
    why: str


@dataclass
class TagLinks:
    """Judges prompts by the job id that they carry.

    A job id of the client's own counts at once. One that only a Tag node in the graph names may be
    a relic of a workflow that was saved long ago and is run by somebody else, so it counts where
    nothing speaks against it: an open row without a prompt, older than the only prompt that names
    it so. A follow-up that a node queued belongs to whom its first prompt belongs to.
    """

    #: Prompts that were refused, by prompt and job: what was doubtful once stays so, and is told
    #: once.
    _refused: dict[tuple[str, str], None] = field(default_factory=dict)
    #: Of each job, the roots of the chains of prompts that a Tag node gave its id, in this pass.
    _by_node: dict[str, set[str]] = field(default_factory=dict)

    def begin(
        self, found: Iterable[tuple[QueuedPrompt, Where]]
    ) -> list[tuple[QueuedPrompt, Where]]:
        """Takes all the prompts of a pass, best source first; returns each of them once, first
        prompts before their follow-ups."""
        by_prompt: dict[str, tuple[QueuedPrompt, Where]] = {}
        for prompt, where in found:
            before = by_prompt.get(prompt.prompt_id)
            if before is None or (before[0].job_id_from is None and prompt.job_id_from is not None):
                by_prompt[prompt.prompt_id] = (prompt, where)
        self._by_node = {}
        for prompt, _ in by_prompt.values():
            if prompt.job_id is not None and prompt.job_id_from == FROM_NODE:
                self._by_node.setdefault(prompt.job_id, set()).add(_root(prompt))
        return sorted(by_prompt.values(), key=lambda pair: pair[0].first_prompt_id is not None)

    def judge(self, prompt: QueuedPrompt, by_id: Mapping[str, JobRecord]) -> Verdict | None:
        """None where it concerns no open row, or was refused before."""
        verdict = self._of_chain(prompt, by_id) or self._of_tag(prompt, by_id)
        if verdict is None or verdict.record.job.status.is_final:
            return None
        key = (prompt.prompt_id, verdict.record.job.id)
        if key in self._refused:
            return None
        if not verdict.links:
            self._refused[key] = None
            while len(self._refused) > MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
        return verdict

    def _of_chain(self, prompt: QueuedPrompt, by_id: Mapping[str, JobRecord]) -> Verdict | None:
        first_id = prompt.first_prompt_id
        if first_id is None:
            return None
        for record in by_id.values():
            first = next((p for p in record.prompts if p.prompt_id == first_id), None)
            if first is not None and first.attempt == record.job.attempt:
                return Verdict(record, True, f"prompt {first_id} of this job queued it")
            if first is not None:
                why = f"it follows prompt {first_id} of attempt {first.attempt}"
                return Verdict(record, False, why)
        return None

    def _of_tag(self, prompt: QueuedPrompt, by_id: Mapping[str, JobRecord]) -> Verdict | None:
        record = by_id.get(prompt.job_id or "")
        if record is None:
            return None
        if prompt.job_id_from != FROM_NODE:
            return Verdict(record, True, "it carries this job's id")
        refusal = self._refusal(prompt, record)
        if refusal is None:
            return Verdict(record, True, "a Tag node in its workflow names this job")
        return Verdict(
            record, False, f"only a Tag node in its workflow names this job, and {refusal}"
        )

    def _refusal(self, prompt: QueuedPrompt, record: JobRecord) -> str | None:
        if record.row_prompt_id is not None or record.attempted:
            return "the job has a prompt of its own"
        if (_root(prompt), record.job.id) in self._refused:
            return "so did that of the prompt that queued it"
        if prompt.created_at is None or prompt.created_at < record.job.opened_at - CLOCK_SKEW_S:
            return "the prompt is not known to be younger than the row"
        others = len(self._by_node.get(record.job.id, ())) - 1
        return (
            None if others <= 0 else f"so do those of {others} more: it is not clear which is meant"
        )


def _root(prompt: QueuedPrompt) -> str:
    return prompt.first_prompt_id or prompt.prompt_id
