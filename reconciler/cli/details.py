"""`reconciler status JOB`: all that is known of one job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from reconciler.cli.media import output_words
from reconciler.cli.table import style
from reconciler.cli.terminal import safe
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import PromptRecord
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView
from reconciler.words import as_json as plain
from reconciler.words.jobs import still_to_go, verdict
from reconciler.words.prompts import prompt_words
from reconciler.words.servers import server_trouble
from reconciler.words.times import ago, local


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
        yield (
            "prompt",
            Text(prompt_words(prompt, job.attempt, lambda at: local(at, known.now))),
        )
    for output in known.outputs:
        yield "output", output_words(output)


def _row(known: Known) -> Iterator[tuple[str, Text | str]]:
    job, now = known.job, known.now
    yield "job", safe(job.id)
    yield "type", safe(job.job_type or "")
    yield "status", Text(verdict(job), style(job))
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
            yield label, f"{local(instant, now)} ({ago(instant, now)})"
    yield "server", _server(known)
    if job.attempt is not None and job.attempt > 1:
        yield "attempt", str(job.attempt)
    if not known.prompts:
        yield "prompt", safe(job.prompt_id or "none yet: no id in the row, no tag seen")


def _progress(job: JobView) -> str:
    if not job.is_open:
        return ""
    parts = [f"{job.progress}%" if job.progress else "", safe(job.stage or "")]
    return ", ".join(part for part in (*parts, still_to_go(job)) if part)


def _server(known: Known) -> str:
    server = known.server
    if server is None:
        return safe(known.job.server or "")
    silent = server_trouble(server, known.now)
    if silent is not None:
        return silent
    version = f", ComfyUI {safe(server.version)}" if server.version else ""
    seen = "" if server.answered_at is None else f", answered {ago(server.answered_at, known.now)}"
    return f"{safe(server.name)} ({safe(server.url)}{version}{seen})"
