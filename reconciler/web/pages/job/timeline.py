"""What happened to a job, step by step, and how long its parts took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler.core.evidence import EndKind
from reconciler.core.jobs import Status
from reconciler.store.records import PromptRecord, StoryEvent
from reconciler.store.views import JobView
from reconciler.web.pages.sentence import Sentence, moment, sentence
from reconciler.words.evidence import evidence_lines
from reconciler.words.told import Told

#: Events that are shown, the newest; the others are there for programs.
MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Step:
    """An event as the timeline shows it."""

    id: int
    at: float
    attempt: int
    kind: str
    #: Its status before and after, where it changed.
    from_status: str | None
    to_status: str | None
    failure: str | None
    #: The row of the decision table.
    rule: str | None
    reason: str
    #: What the decision was drawn from.
    evidence: tuple[Sentence, ...]
    #: Seconds since the event before it; None for the first.
    gap_s: float | None
    #: Seconds since the first event.
    since_first_s: float


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the current attempt."""

    #: "waited", "ran", "checked".
    name: str
    seconds: float
    #: It still goes on.
    goes_on: bool = False


def steps(events: Sequence[StoryEvent]) -> list[Step]:
    """The newest events, in the order in which they happened."""
    if not events:
        return []
    first = events[0].at
    before: float | None = None
    prompt_id: object = None
    shown = []
    for stored in events:
        evidence = dict(stored.event.evidence)
        if evidence.get("prompt_id") == prompt_id or stored.event.kind == "linked":
            # One prompt is the rule: its id is told once.
            prompt_id = evidence.pop("prompt_id", prompt_id)
        lines = [line for line in evidence_lines(evidence, moment) if line != stored.event.reason]
        gap_s = None if before is None else max(stored.at - before, 0.0)
        shown.append(_step(stored, lines, gap_s, stored.at - first))
        before = stored.at
    return shown[-MOST_EVENTS:]


def _step(
    stored: StoryEvent, lines: Sequence[str], gap_s: float | None, since_first_s: float
) -> Step:
    event = stored.event
    changed = event.to_status is not None and event.to_status != event.from_status
    return Step(
        id=stored.id,
        at=stored.at,
        attempt=stored.attempt,
        kind=event.kind,
        from_status=(event.from_status or "new") if changed else None,
        to_status=event.to_status if changed else None,
        failure=event.failure if changed else None,
        rule=event.rule,
        reason=event.reason,
        evidence=tuple(sentence(line) for line in lines),
        gap_s=gap_s,
        since_first_s=max(since_first_s, 0.0),
    )


def phases(told: Told) -> list[Phase]:
    """How long the current attempt waited, ran, and was checked, as far as that is known."""
    job = told.job
    current = [prompt for prompt in told.prompts if prompt.attempt == job.attempt]
    end = _end(job, told.now)
    if job.opened_at is None or (end is None and job.status not in list(Status)):
        return []
    return list(_phases(job, current, told.now if end is None else end))


def _phases(job: JobView, prompts: Sequence[PromptRecord], end: float) -> Iterator[Phase]:
    opened = job.opened_at or end
    began = min((p.running_since for p in prompts if p.running_since is not None), default=None)
    seen = [p.ending_seen_at for p in prompts if p.ending_seen_at is not None]
    ended = max(seen) if seen and all(p.ending is not None for p in prompts) else None
    if began is None:
        # One that was never seen to run, since its run was shorter than the time between two looks.
        until = end if ended is None else ended
        ran_s = _told_s(prompts)
        yield Phase("waited", max(until - opened - (ran_s or 0.0), 0.0), job.is_open and not ended)
        if ran_s is not None:
            yield Phase("ran", ran_s)
    else:
        yield Phase("waited", max(began - opened, 0.0))
        until = end if ended is None else ended
        yield Phase("ran", _told_s(prompts) or max(until - began, 0.0), job.is_open and not ended)
    if ended is not None and any(p.ending.kind is EndKind.SUCCESS for p in prompts if p.ending):
        yield Phase("checked", max(end - ended, 0.0), job.is_open)


def _told_s(prompts: Sequence[PromptRecord]) -> float | None:
    """Seconds of the run by ComfyUI's own clock, where its one prompt's ending tells."""
    ending = prompts[0].ending if len(prompts) == 1 else None
    if ending is None or ending.started_at is None or ending.ended_at is None:
        return None
    return max(ending.ended_at - ending.started_at, 0.0)


def _end(job: JobView, now: float) -> float | None:
    """When the attempt ended; now for one that has not; None where nobody knows."""
    if job.is_open:
        return now
    return job.completed_at or job.decided_at
