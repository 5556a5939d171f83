"""`reconciler status JOB`: all that is known of one job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from reconciler.cli import as_json as plain
from reconciler.cli import words
from reconciler.cli.media import output_words
from reconciler.cli.table import style
from reconciler.cli.terminal import safe
from reconciler.core.evidence import Ending
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import PromptRecord
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one job; `now` by the database's clock."""

    job: JobView
    prompts: Sequence[PromptRecord]
    outputs: Sequence[OutputRecord]
    server: ServerRecord | None
    now: float


def as_json(known: Known) -> dict[str, Any]:
    """The same for programs."""
    return plain.job(known.job, known.now) | {
        "prompts": [plain.prompt(prompt) for prompt in known.prompts],
        "outputs": [plain.output(output) for output in known.outputs],
        "server_seen": None if known.server is None else plain.server(known.server),
    }


def details(known: Known) -> Table:
    """Labels at the left, what is known at the right; what is not known is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in _lines(known):
        grid.add_row(label, text)
    return grid


def _lines(known: Known) -> Iterator[tuple[str, Text]]:
    job = known.job
    for label, text in _row(known):
        if text:
            yield label, text if isinstance(text, Text) else Text(text)
    for prompt in known.prompts:
        yield "prompt", Text(prompt_words(prompt, job.attempt, known.now))
    for output in known.outputs:
        yield "output", output_words(output)


def _row(known: Known) -> Iterator[tuple[str, Text | str]]:
    job, now = known.job, known.now
    yield "job", safe(job.id)
    yield "type", safe(job.job_type or "")
    yield "status", Text(words.verdict(job), style(job))
    if job.word not in (None, job.status):
        yield "row says", safe(job.word)
    yield "reason", safe(job.reason or "")
    if job.error and (job.reason or "") not in job.error:
        yield "error", safe(job.error)
    yield "progress", _progress(job)
    yield "frames", "" if job.frames is None else f"{job.frames} in the row"
    yield "file", safe(job.output_path or "")
    for label, instant in (
        ("created", job.created_at),
        ("updated", job.updated_at),
        ("ended", job.completed_at),
    ):
        if instant is not None:
            yield label, f"{words.local(instant, now)} ({words.ago(instant, now)})"
    yield "server", _server(known)
    if job.attempt is not None and job.attempt > 1:
        yield "attempt", str(job.attempt)
    if not known.prompts:
        yield "prompt", safe(job.prompt_id or "none yet: no id in the row, no tag seen")


def _progress(job: JobView) -> str:
    if not job.is_open:
        return ""
    parts = [f"{job.progress}%" if job.progress else "", safe(job.stage or "")]
    if job.queue_position is not None:
        parts.append(f"number {job.queue_position} in the queue")
    if job.eta_s is not None:
        parts.append(f"about {words.duration(job.eta_s)} left")
    return ", ".join(part for part in parts if part)


def _server(known: Known) -> str:
    server = known.server
    if server is None:
        return safe(known.job.server or "")
    silent = words.server_trouble(server, known.now)
    if silent is not None:
        return silent
    version = f", ComfyUI {safe(server.version)}" if server.version else ""
    seen = (
        ""
        if server.answered_at is None
        else f", answered {words.ago(server.answered_at, known.now)}"
    )
    return f"{safe(server.name)} ({safe(server.url)}{version}{seen})"


def prompt_words(prompt: PromptRecord, attempt: int | None, now: float) -> str:
    """A prompt: where it is, what was heard of it, how it ended."""
    parts = [safe(prompt.prompt_id)]
    if prompt.attempt != attempt:
        parts.append(f"of attempt {prompt.attempt}")
    if prompt.server:
        parts.append(f"on {safe(prompt.server)}")
    if prompt.ending is not None:
        parts.append(ending_words(prompt.ending, now))
    elif prompt.missing_since is not None:
        parts.append(
            f"not found by {prompt.missing_looks} looks since"
            f" {words.local(prompt.missing_since, now)}"
        )
    elif prompt.running_since is not None:
        parts.append(f"running since {words.local(prompt.running_since, now)}")
    elif not prompt.ever_seen:
        parts.append("never seen on a server")
    if prompt.last_sign_at is not None and prompt.ending is None:
        parts.append(f"last sign of life {words.local(prompt.last_sign_at, now)}")
    return ", ".join(parts)


def ending_words(ending: Ending, now: float) -> str:
    """How a prompt ended, and who told."""
    when = "" if ending.ended_at is None else f" at {words.local(ending.ended_at, now)}"
    node = ""
    if ending.node_id:
        kind = f" ({safe(ending.node_type)})" if ending.node_type else ""
        node = f" in node {safe(ending.node_id)}{kind}"
    what = ": ".join(safe(part) for part in (ending.exception_type, ending.message) if part)
    cached = ", all of it cached" if ending.cached else ""
    said = f": {what}" if what else ""
    return f"{ending.source.value} says {ending.kind.value}{when}{node}{said}{cached}"
