"""One job under judgement, and the form of a decision about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from reconciler.core.evidence import (
    EndKind,
    Evidence,
    FileState,
    NodeRun,
    OutputFile,
    Place,
    PromptEvidence,
)
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.core.policy import Policy


class Stage(StrEnum):
    """What an open job is doing, finer than its status."""

    #: In the server's queue.
    PENDING = "pending"
    RUNNING = "running"
    #: ComfyUI is done; the files are being checked.
    VALIDATING = "validating"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the row should say, and why."""

    status: Status
    #: The rule that decided: a row of the decision table.
    rule: str
    #: One sentence for a person.
    reason: str
    failure: FailureCode | None = None
    stage: Stage | None = None
    prompt_id: str | None = None
    #: Rank in the server's queue, 1 = next.
    position: int | None = None
    #: Path of the main output, as applications see it.
    output_path: str | None = None
    #: What a person should know of a job that is completed all the same.
    warning: str | None = None
    #: What the decision was drawn from: JSON values only.
    evidence: Mapping[str, object] = field(default_factory=dict)
    #: It blames silence or absence: look once more before it is written.
    needs_second_look: bool = False
    #: Ask the server to interrupt `prompt_id`.
    interrupt: bool = False


@dataclass(frozen=True)
class Case:
    """One job under judgement, with what the rules ask about it worked out once."""

    job: Job
    evidence: Evidence
    policy: Policy
    now: float

    @cached_property
    def error(self) -> PromptEvidence | None:
        """The first prompt that ended in an error or an interrupt."""
        return self._first_ending(EndKind.ERROR, EndKind.INTERRUPTED)

    @cached_property
    def removed(self) -> PromptEvidence | None:
        """The first prompt that was removed from the queue."""
        return self._first_ending(EndKind.REMOVED)

    @cached_property
    def prompts(self) -> tuple[PromptEvidence, ...]:
        """The prompts that count: a mistaken id says nothing beside a prompt that was seen.

        A prompt id that no server ever knew is dropped where another prompt of the job was seen,
        once it has been missed for as long as a lost prompt must be.
        """
        prompts = self.evidence.prompts
        if not any(seen(p) for p in prompts):
            return prompts
        return tuple(p for p in prompts if seen(p) or not self.missing_beyond_grace(p))

    @cached_property
    def open(self) -> PromptEvidence | None:
        """The open prompt that says most: running before pending before unknown before absent.

        Of several absent ones it is the one missed least: no verdict before all are overdue.
        """
        rank = [Place.RUNNING, Place.PENDING, Place.UNKNOWN, Place.ABSENT]

        def saying_most_first(p: PromptEvidence) -> tuple[int, bool, float]:
            missing_since = math.inf if p.missing_since is None else p.missing_since
            return rank.index(p.place), self.gone(p), -missing_since

        unended = [p for p in self.prompts if p.ending is None]
        return min(unended, key=saying_most_first, default=None)

    @cached_property
    def successes(self) -> tuple[PromptEvidence, ...]:
        """All prompts, where every one of them ended in success; else none."""
        prompts = self.prompts
        if all(p.ending is not None and p.ending.kind is EndKind.SUCCESS for p in prompts):
            return prompts
        return ()

    @cached_property
    def outputs(self) -> tuple[OutputFile, ...]:
        """The listed outputs of all successful prompts."""
        return tuple(output for prompt in self.successes for output in prompt.outputs)

    @cached_property
    def absent(self) -> PromptEvidence | None:
        """The open prompt, if its server answered cleanly and does not know it."""
        return self.open if self.open is not None and self.open.place is Place.ABSENT else None

    def takes(self, output: OutputFile) -> bool:
        """True where nothing speaks against this file, if ComfyUI told of it."""
        if output.state is FileState.UNJUDGED:
            return self.policy.unjudged_completes
        return output.state is FileState.SOUND

    def missing_beyond_grace(self, prompt: PromptEvidence) -> bool:
        """True where the prompt was missed often enough, for long enough, to be called lost."""
        return (
            prompt.missing_since is not None
            and prompt.missing_looks >= self.policy.lost_confirmations
            and self.now - prompt.missing_since >= self.policy.lost_grace_s
        )

    def restart_proven(self, prompt: PromptEvidence) -> bool:
        """True where the server's boot id says for long enough that it forgot the prompt."""
        since = prompt.boot_changed_since
        # What was never seen was never forgotten.
        return (
            seen(prompt) and since is not None and self.now - since >= self.policy.restart_grace_s
        )

    def gone(self, prompt: PromptEvidence) -> bool:
        """True where the grace of an absent prompt is over, by either clock."""
        return self.missing_beyond_grace(prompt) or self.restart_proven(prompt)

    def watched_for_s(self, since: float) -> float:
        """Seconds since then, but none of those before this reconciler came up."""
        return self.now - max(since, self.evidence.watching_since)

    def keep(self, rule: str, reason: str, **evidence: object) -> Decision:
        """The row stays as it is."""
        failure = self.job.failure if self.job.status is Status.FAILED else None
        return Decision(self.job.status, rule, reason, failure=failure, evidence=evidence)

    def fail(
        self, code: FailureCode, rule: str, reason: str, prompt: PromptEvidence | None
    ) -> Decision:
        """The job failed; the evidence of its prompt goes along."""
        return Decision(
            Status.FAILED,
            rule,
            reason,
            failure=code,
            prompt_id=prompt.prompt_id if prompt else None,
            evidence=facts(prompt),
        )

    def _first_ending(self, *kinds: EndKind) -> PromptEvidence | None:
        return next(
            (p for p in self.prompts if p.ending is not None and p.ending.kind in kinds), None
        )


def seen(prompt: PromptEvidence) -> bool:
    """True where a server or a manifest has ever known the prompt."""
    at_server = prompt.place in (Place.RUNNING, Place.PENDING)
    return prompt.ever_seen or prompt.ending is not None or at_server


def facts(prompt: PromptEvidence | None) -> dict[str, object]:
    """The evidence of one prompt as JSON values, without what is not known."""
    if prompt is None:
        return {}
    facts: dict[str, object] = {
        "prompt_id": prompt.prompt_id,
        "place": prompt.place.value,
        "server": prompt.server,
        "running_since": prompt.running_since,
        "last_sign_at": prompt.last_sign_at,
        "missing_looks": prompt.missing_looks or None,
        "missing_since": prompt.missing_since,
        "boot_changed_since": prompt.boot_changed_since,
        "worker_dead": prompt.worker_dead or None,
        "noted": None if prompt.noted is None else prompt.noted.value,
        "noted_at": prompt.noted_at,
    }
    if prompt.ending is None:
        facts |= {
            "unwatched_s": prompt.unwatched_s or None,
            "doing": None if prompt.doing is None else str(prompt.doing),
        }
    else:
        facts |= {
            "ending": prompt.ending.kind.value,
            "source": prompt.ending.source.value,
            "node_id": prompt.ending.node_id,
            "node_type": prompt.ending.node_type,
            "exception_type": prompt.ending.exception_type,
            "cached": prompt.ending.cached or None,
            "ended_at": prompt.ending.ended_at,
            "longest_nodes": _longest(prompt.ending.node_runs),
        }
    return {key: value for key, value in facts.items() if value is not None}


def _longest(runs: tuple[NodeRun, ...]) -> str | None:
    """The nodes that took longest, for a person who asks where the time went."""
    told = [f"{run.node_type[:80]} ({run.node_id[:80]}) {run.seconds:.1f} s" for run in runs[:3]]
    return ", ".join(told) or None


def file_facts(outputs: tuple[OutputFile, ...]) -> list[dict[str, object]]:
    """The evidence of files as JSON values, without what is not known."""
    return [_file_facts(output) for output in outputs]


def _file_facts(output: OutputFile) -> dict[str, object]:
    facts: dict[str, object] = {
        "path": output.path,
        "state": output.state.value,
        "proof": _proof(output),
        "digest": output.identical_by,
        "by": output.by,
        "defects": list(output.defects),
        "unjudged": output.unjudged,
        "expected": list(output.expected),
        "warnings": list(output.warnings),
        "trouble": output.trouble,
    }
    return {key: value for key, value in facts.items() if value}


def _proof(output: OutputFile) -> str | None:
    """What speaks for a file: it is what ComfyUI wrote, or at least it could be decoded."""
    if output.identical_by is not None:
        return "identical"
    return "decoded" if output.state is FileState.SOUND else None
