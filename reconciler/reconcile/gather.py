"""Gathers the evidence: where the servers show each prompt, how it ended, what its files are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import structlog

from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.evidence import (
    Evidence,
    Place,
    PromptEvidence,
)
from reconciler.errors import ServerError
from reconciler.reconcile.clock import DatabaseClock
from reconciler.reconcile.evidence_files import FileEvidence
from reconciler.reconcile.live import LiveSigns
from reconciler.reconcile.servers import WatchedServer
from reconciler.store import Store
from reconciler.store.records import Event, JobRecord, PromptRecord

log = structlog.get_logger(__name__)

#: Entries of history that are searched for tags of rows without a prompt.
RECENT_PROMPTS = 64
#: How far ComfyUI's clock may differ from the database's when ages are compared, in seconds.
CLOCK_SKEW_S = 5.0


@dataclass
class Gatherer:
    """Turns answers of servers into evidence about jobs, and keeps their clocks."""

    store: Store
    servers: dict[str, WatchedServer]
    clock: DatabaseClock
    live: LiveSigns
    files: FileEvidence
    pool: ThreadPoolExecutor
    #: Since when this reconciler has been watching, by the database's clock.
    watching_since: float
    _places: dict[str, tuple[Place, int | None]] = field(default_factory=dict)
    #: What `look` found of the output directory of each server.
    _storage: dict[str, bool] = field(default_factory=dict)

    def look(self, names: Collection[str]) -> None:
        """Looks at these servers, all at once: a slow one delays the pass by its time-out only."""
        self._storage.clear()
        for server in self.servers.values():
            server.fresh = False
        wanted = [self.servers[name] for name in names if name in self.servers]
        list(self.pool.map(lambda server: server.look(self.clock.now), wanted))
        changed = [server for server in wanted if server.fresh or server.changed]
        if changed:
            self.store.servers.save(server.record for server in changed)
        for server in changed:
            server.changed = False

    def link(self, records: Iterable[JobRecord], *, search_history: bool) -> None:
        """Links prompts to jobs: by the row's own prompt id, or by the job id they carry."""
        by_id = {record.job.id: record for record in records}
        linked = {p.prompt_id for record in by_id.values() for p in record.prompts}
        for record in by_id.values():
            prompt_id = record.row_prompt_id
            if prompt_id is not None and prompt_id not in linked:
                self._link(record, QueuedPrompt(prompt_id, 0.0), None, "the row names it")
        for server in self.servers.values():
            if server.fresh:
                for prompt in server.queue:
                    self._link_tagged(by_id, linked, prompt, server)
        if search_history and any(not record.prompts for record in by_id.values()):
            self._search_history(by_id, linked)

    def place(self, records: Iterable[JobRecord], *, ask_history: bool = True) -> None:
        """Finds every prompt without an ending, and stores what changed."""
        changed: list[PromptRecord] = []
        for record in records:
            for prompt in record.prompts:
                if prompt.attempt == record.job.attempt and self._place(prompt, ask_history):
                    changed.append(prompt)
        if changed:
            self.store.jobs.save_prompts(changed)

    def evidence(self, record: JobRecord) -> Evidence:
        """All that is known about a job now."""
        prompts = [p for p in record.prompts if p.attempt == record.job.attempt]
        evidence = tuple(self._prompt_evidence(record, prompt) for prompt in prompts)
        since, how = self._unreachable(prompts)
        absent = any(p.place is Place.ABSENT and p.ending is None for p in evidence)
        # Only storage that is there AFTER files were looked for says that they are missing. Where
        # none was looked for, since the prompts wait or run, one question for each look will do.
        by_files = absent or any(p.ending is not None for p in evidence)
        return Evidence(
            prompts=evidence,
            tagged_outputs=self.files.tagged(record, prompts) if absent else (),
            storage_healthy=self._storage_healthy(prompts, again=by_files),
            unreachable_since=since,
            unreachable_how=how,
            watching_since=self.watching_since,
        )

    def _link_tagged(
        self,
        by_id: dict[str, JobRecord],
        linked: set[str],
        prompt: QueuedPrompt,
        server: WatchedServer,
    ) -> None:
        record = by_id.get(prompt.job_id) if prompt.job_id is not None else None
        if record is None or record.job.status.is_final or prompt.prompt_id in linked:
            return
        linked.add(prompt.prompt_id)
        self._link(record, prompt, server, "it carries this job's id")

    def _search_history(self, by_id: dict[str, JobRecord], linked: set[str]) -> None:
        for server in self.servers.values():
            if not server.fresh:
                continue
            try:
                recent = server.client.recent(RECENT_PROMPTS)
            except ServerError as error:
                log.info("history not searched", server=server.name, error=str(error))
                continue
            for ended in recent:
                record = by_id.get(ended.prompt.job_id or "")
                if record is not None and _began_after(ended, record):
                    self._link_tagged(by_id, linked, ended.prompt, server)

    def _link(
        self, record: JobRecord, found: QueuedPrompt, server: WatchedServer | None, why: str
    ) -> None:
        prompt = PromptRecord(
            prompt_id=found.prompt_id,
            job_id=record.job.id,
            attempt=record.job.attempt,
            server=None if server is None else server.name,
            client_id=found.client_id,
            output_nodes=found.output_nodes,
            ever_seen=server is not None,
        )
        reason = f"linked to prompt {found.prompt_id}: {why}"
        evidence = {"prompt_id": found.prompt_id, "server": prompt.server}
        if self.store.jobs.link(record.job, prompt, Event("linked", reason, evidence=evidence)):
            record.prompts.append(prompt)
            if record.row_prompt_id is None:
                record.row_prompt_id = found.prompt_id
                record.job = replace(record.job, prompt_id=found.prompt_id)

    def _place(self, prompt: PromptRecord, ask_history: bool) -> bool:
        """Finds one prompt; True if its record changed."""
        if prompt.ending is not None:
            return self._note_ending_seen(prompt)
        candidates = self._candidates(prompt)
        for server in candidates:
            place, position, found = server.find(prompt.prompt_id)
            if found is not None and server.fresh:
                return self._found(prompt, server, place, position, found)
        fresh = [server for server in candidates if server.fresh]
        if fresh and ask_history:
            return self._ask_history(prompt, fresh, all_asked=len(fresh) == len(candidates))
        if any(server.record.unreachable_since is not None for server in candidates):
            self._places[prompt.prompt_id] = (Place.UNKNOWN, None)
        return False

    def _found(
        self,
        prompt: PromptRecord,
        server: WatchedServer,
        place: Place,
        position: int | None,
        found: QueuedPrompt,
    ) -> bool:
        self._places[prompt.prompt_id] = (place, position)
        before = replace(prompt)
        prompt.server, prompt.ever_seen = server.name, True
        prompt.client_id = found.client_id or prompt.client_id
        prompt.output_nodes = found.output_nodes or prompt.output_nodes
        prompt.missing_looks, prompt.missing_since = 0, None
        if place is Place.RUNNING and prompt.running_since is None:
            prompt.running_since = self.clock.now()
        self._hear(prompt)
        return prompt != before

    def _ask_history(
        self, prompt: PromptRecord, servers: list[WatchedServer], *, all_asked: bool
    ) -> bool:
        """The queue, read before, does not show it: only now history can tell how it ended.

        It is absent only where every server that could know it was asked and answered.
        """
        for server in servers:
            try:
                ended = server.client.ending(prompt.prompt_id)
            except ServerError as error:
                server.note_failure(error, self.clock.now())
                all_asked = False
                continue
            if ended is not None:
                self._end(prompt, server, ended)
                return True
        if not all_asked:
            self._places[prompt.prompt_id] = (Place.UNKNOWN, None)
            return False
        self._places[prompt.prompt_id] = (Place.ABSENT, None)
        prompt.missing_looks += 1
        prompt.missing_since = prompt.missing_since or self.clock.now()
        return True

    def _end(self, prompt: PromptRecord, server: WatchedServer, ended: EndedPrompt) -> None:
        prompt.server, prompt.ever_seen, prompt.ending = server.name, True, ended.ending
        prompt.output_nodes = ended.prompt.output_nodes or prompt.output_nodes
        prompt.missing_looks, prompt.missing_since = 0, None
        self._note_ending_seen(prompt)
        self._places.pop(prompt.prompt_id, None)
        self.live.forget(prompt.prompt_id)

    def _note_ending_seen(self, prompt: PromptRecord) -> bool:
        """The clock of missing files starts with the first look that found the storage healthy."""
        if prompt.ending_seen_at is None and self._storage_healthy([prompt]):
            prompt.ending_seen_at = self.clock.now()
            return True
        return False

    def _hear(self, prompt: PromptRecord) -> None:
        """Takes over the signs of life that were heard since the last look."""
        signs = [prompt.last_sign_at] if prompt.last_sign_at is not None else []
        heard = self.live.of(prompt.prompt_id)
        if heard is not None:
            signs.append(self.clock.at(heard.last_sign_at))
        server = self.servers.get(prompt.server or "")
        grown = self.live.growth_of(prompt.server or "")
        # A growing file is a sign of the prompt that runs alone: nobody else writes it.
        if grown is not None and server is not None and server.runs_only(prompt.prompt_id):
            signs.append(self.clock.at(grown))
        prompt.last_sign_at = max(signs, default=None)

    def _candidates(self, prompt: PromptRecord) -> list[WatchedServer]:
        """The prompt's server, or every server where that is unknown."""
        known = self.servers.get(prompt.server or "")
        return [known] if known is not None else list(self.servers.values())

    def _prompt_evidence(self, record: JobRecord, prompt: PromptRecord) -> PromptEvidence:
        place, position = self._places.get(prompt.prompt_id, (Place.UNKNOWN, None))
        return PromptEvidence(
            prompt_id=prompt.prompt_id,
            place=place,
            server=prompt.server,
            position=position,
            ever_seen=prompt.ever_seen,
            ending=prompt.ending,
            ending_seen_at=prompt.ending_seen_at,
            outputs=self.files.listed(record, prompt),
            running_since=prompt.running_since,
            last_sign_at=prompt.last_sign_at,
            witness_since=self._witness_since(prompt),
            missing_looks=prompt.missing_looks,
            missing_since=prompt.missing_since,
            interrupted_by_us=prompt.interrupted_by_us,
            output_nodes=prompt.output_nodes,
        )

    def _witness_since(self, prompt: PromptRecord) -> float | None:
        """Since when our websocket would have heard progress of this prompt.

        ComfyUI sends progress to the client that submitted the prompt, and to everybody where it
        was submitted without a client id.
        """
        server = self.servers.get(prompt.server or "")
        if server is None or prompt.client_id not in (None, server.client_id):
            return None
        since = server.listening_since()
        return None if since is None else self.clock.at(since)

    def _unreachable(self, prompts: list[PromptRecord]) -> tuple[float | None, str | None]:
        """Since when, and how, none of the servers that could know the job has answered."""
        names = {p.server for p in prompts if p.ending is None and p.server in self.servers}
        asked = [self.servers[name] for name in names if name] or list(self.servers.values())
        down = [server.record for server in asked if server.record.unreachable_since is not None]
        if not asked or len(down) < len(asked):
            return None, None
        latest = max(down, key=lambda record: record.unreachable_since or 0.0)
        return latest.unreachable_since, latest.unreachable_how

    def _storage_healthy(self, prompts: list[PromptRecord], *, again: bool = True) -> bool:
        """Whether the output directories are there; once for each look is enough if not `again`."""
        names = {prompt.server for prompt in prompts if prompt.server in self.servers}
        asked = [self.servers[name] for name in names if name] or list(self.servers.values())
        for server in asked:
            if again or server.name not in self._storage:
                self._storage[server.name] = server.storage_healthy(self.store.outputs.of_server)
        return all(self._storage[server.name] for server in asked)


def _began_after(ended: EndedPrompt, record: JobRecord) -> bool:
    """Serial ids repeat between databases: a prompt from before the row is another's."""
    began = ended.prompt.created_at or ended.ending.started_at
    return began is not None and began >= record.job.opened_at - CLOCK_SKEW_S
