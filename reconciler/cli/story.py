"""`reconciler explain`: the story of a job, in time order, to what happens next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reconciler.cli.table import STYLES, style
from reconciler.cli.terminal import safe
from reconciler.settings import Settings
from reconciler.store.records import StoryEvent
from reconciler.words.evidence import evidence_lines
from reconciler.words.jobs import still_to_go, verdict
from reconciler.words.next_step import next_step, outlook
from reconciler.words.remedies import REMEDIES
from reconciler.words.times import ago, duration, local
from reconciler.words.told import Told, troubles

#: The last event says it in full, just above, in characters.
MAX_NOW = 200


def story(told: Told, settings: Settings) -> RenderableType:
    """Heading, events, what is the case now and what happens next."""
    parts: list[RenderableType] = [_heading(told), Text("")]
    if told.events:
        parts += [_events(told), Text("")]
    return Group(*parts, _now(told, settings))


def _heading(told: Told) -> Text:
    job = told.job
    parts = [
        f"Job {safe(job.id)}" + (f" ({safe(job.job_type)})" if job.job_type else ""),
        "" if job.frames is None else f"{job.frames} frames in its row",
        ""
        if job.created_at is None
        else f"created {local(job.created_at, told.now)} ({ago(job.created_at, told.now)})",
    ]
    return Text(", ".join(part for part in parts if part), "bold")


def _events(told: Told) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right", style="dim")
    grid.add_column(overflow="fold")
    first, prompt_id = told.events[0].at, None
    for event in told.events:
        evidence = dict(event.event.evidence)
        if evidence.get("prompt_id") == prompt_id or event.event.kind == "linked":
            # One prompt is the rule: its id is told once.
            prompt_id = evidence.pop("prompt_id", prompt_id)
        grid.add_row(
            local(event.at, told.now),
            f"+{duration(event.at - first)}",
            Group(_sentence(event), _evidence(evidence, event.event.reason, told.now)),
        )
    return grid


def _sentence(stored: StoryEvent) -> Text:
    event = stored.event
    text = Text()
    if event.to_status and event.from_status != event.to_status:
        text.append(safe(event.from_status or "new"), STYLES.get(event.from_status or "", ""))
        text.append(" → ")
        text.append(safe(event.to_status), STYLES.get(event.to_status, ""))
        text.append(f" ({safe(event.failure)})" if event.failure else "")
        text.append("\n")
    elif event.kind in ("warning", "late_success"):
        text.append(f"{event.kind.replace('_', ' ')}: ", "yellow")
    return text.append(safe(event.reason))


def _evidence(evidence: Mapping[str, Any], reason: str, now: float) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1)
    grid.add_column(overflow="fold", style="dim")
    for line in evidence_lines(evidence, lambda instant: local(instant, now)):
        if line != reason:
            grid.add_row(Text("·", "dim"), Text(line))
    return grid


def _now(told: Told, settings: Settings) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("Now", _case(told))
    case = outlook(told.job, told.prompts, told.servers, settings, told.now)
    grid.add_row("Next", Text(next_step(case)))
    if told.job.failure is not None and told.job.failure in REMEDIES:
        grid.add_row("Do", Text(REMEDIES[told.job.failure]))
    for trouble in troubles(told, settings):
        grid.add_row("But", Text(trouble, "yellow"))
    return grid


def _case(told: Told) -> Text:
    job = told.job
    text = Text(verdict(job), style(job))
    if job.decided_at is not None and not job.is_open:
        text.append(f" since {local(job.decided_at, told.now)}", "default")
    if job.reason:
        text.append(f": {safe(job.reason, MAX_NOW)}", "default")
    if job.is_open and (to_go := still_to_go(job)):
        text.append(f"\n{to_go}", "default")
    if job.output_path:
        text.append(f"\n{safe(job.output_path)}", "default")
    return text
