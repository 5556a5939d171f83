"""A store of one job without a database: for the thousands of runs that a property is tried with.

It keeps what the tables keep, as values that nobody else holds; the SQL is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.store.jobs import Link
from reconciler.store.records import JobRecord, PromptRecord, Write, Written
from reconciler.store.servers import ServerRecord


class MemoryJobs:
    """`JobStore`, as far as passes over one job use it."""

    def __init__(self, now: Callable[[], float], prompt_id: str, **job: Any) -> None:
        self.now = now
        fields = {"opened_at": now(), **job}
        frames = fields.get("frames")
        self.record = JobRecord(
            Job("1", Status.QUEUED, None, 1, prompt_id, **fields),
            row_status="queued",
            row_prompt_id=prompt_id,
            row_progress=0,
            known_status=None,
            expects=Expectation(frames=ExpectedFrames(frames) if frames else None),
        )
        #: Every reason that was written, with its status.
        self.written: list[tuple[str, str]] = []

    def open_jobs(self, *, late_s: float, also: Iterable[str] = ()) -> list[JobRecord]:
        open_or_late = not self.record.job.status.is_final or late_s > 0
        return [_copy(self.record)] if open_or_late else []

    def see_many(self, records: Iterable[JobRecord]) -> None:
        for record in records:
            self.record.known_status = record.row_status

    def link_many(self, links: Sequence[Link]) -> dict[str, PromptRecord]:
        self.record.prompts += [replace(link.prompt) for link in links]
        return {link.prompt.prompt_id: link.prompt for link in links}

    def save_prompts(self, prompts: Iterable[PromptRecord], runs: Sequence[Any] = ()) -> None:
        changed = {prompt.prompt_id: replace(prompt) for prompt in prompts}
        self.record.prompts = [changed.get(p.prompt_id, p) for p in self.record.prompts]

    def write_many(self, writes: Sequence[Write]) -> Written:
        for write in writes:
            change = write.change
            word = change.status.value
            self.written.append((word, change.reason))
            kept = self.record
            kept.job = replace(kept.job, status=change.status, failure=change.failure)
            kept.row_status = kept.known_status = word
            kept.stage, kept.rule, kept.reason = change.stage, change.rule, change.reason
            kept.progress = kept.row_progress = change.progress
            kept.eta_s, kept.server = change.eta_s, change.server
        return Written(done=frozenset(write.record.job.id for write in writes))

    @property
    def says(self) -> tuple[Status, FailureCode | None]:
        """Status and failure of the row."""
        return self.record.job.status, self.record.job.failure


def _copy(record: JobRecord) -> JobRecord:
    return replace(record, prompts=[replace(prompt) for prompt in record.prompts])


class MemoryServers:
    """`ServerStore`."""

    def __init__(self) -> None:
        self.records: dict[str, ServerRecord] = {}

    def all(self) -> list[ServerRecord]:
        return [replace(record) for record in self.records.values()]

    def save(self, servers: Iterable[ServerRecord]) -> None:
        self.records |= {server.name: replace(server) for server in servers}


class NoOutputs:
    """`OutputStore` where no file was ever seen."""

    def of_server(self, server: str) -> list[Path]:
        return []

    def claims(self, paths: Iterable[Path]) -> dict[Path, Any]:
        return {}

    def claimed(self, job_id: str, prompt_ids: Iterable[str]) -> list[Any]:
        return []


class NoRuns:
    """`RunStore` where nothing was learned."""

    def newest(self) -> list[Any]:
        return []

    def noted_since(self, instant: float) -> list[Any]:
        return []


class NoRequests:
    """`RequestStore` where nobody asked for anything."""

    def open(self, **_: Any) -> list[Any]:
        return []


class MemoryStore:
    """`Store` of one job."""

    def __init__(self, now: Callable[[], float], prompt_id: str, **job: Any) -> None:
        self.jobs = MemoryJobs(now, prompt_id, **job)
        self.servers = MemoryServers()
        self.outputs = NoOutputs()
        self.runs = NoRuns()
        self.requests = NoRequests()
