"""Links prompts to jobs: by the row's own prompt id, or by the job id that they carry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import structlog

from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.evidence import Place
from reconciler.errors import ServerError, StatementRefused
from reconciler.reconcile.linking import TagLinks
from reconciler.reconcile.manifest_evidence import ManifestEvidence
from reconciler.reconcile.notes import is_younger
from reconciler.reconcile.servers import WatchedServer
from reconciler.reconcile.troubles import Troubles
from reconciler.store import Store
from reconciler.store.jobs import Link
from reconciler.store.records import Event, JobRecord, PromptRecord

log = structlog.get_logger(__name__)

#: Entries of history that are searched for tags of rows without a prompt.
RECENT_PROMPTS = 64
#: Rows whose prompts are linked in one transaction, at most.
BATCH = 1000


@dataclass
class Linker:
    """Finds the prompts that belong to rows, and says in their stories why."""

    store: Store
    servers: dict[str, WatchedServer]
    manifests: ManifestEvidence
    troubles: Troubles
    #: Asks a server's history how a prompt ended.
    ask: Callable[[WatchedServer, PromptRecord], EndedPrompt | Place]
    tag_links: TagLinks = field(default_factory=TagLinks)

    def link(
        self,
        by_id: dict[str, JobRecord],
        linked: set[str],
        *,
        looked: Collection[str],
        search_history: bool,
    ) -> None:
        """Links what is not among the `linked` prompts yet.

        Both kinds are in the queue, if they live. Of prompts that came and went between two looks
        the node pack's notes and manifests tell. Without the pack, history is searched for job ids
        where a job has no prompt (with `search_history`), and after a time in which prompts may
        have come and gone. `looked`: the servers that were asked in this pass.
        """
        self._link_named(
            [
                record
                for record in by_id.values()
                if record.row_prompt_id is not None
                and record.row_prompt_id not in linked
                and not record.names_another_prompt  # a new attempt begins first
            ]
        )
        searched = search_history and any(not record.attempted for record in by_id.values())
        found = self._carrying(by_id, linked, looked, searched) if by_id else ()
        for prompt, server in self.tag_links.begin(found):
            self._link_tagged(by_id, linked, prompt, server)

    def follow(self, record: JobRecord, server: WatchedServer, ended: EndedPrompt) -> None:
        """Links the prompts that the nodes of this one queued: where ComfyUI has forgotten all of
        them, nothing but the manifest knows that the job went on."""
        known = {prompt.prompt_id for prompt in record.prompts}
        for prompt_id in ended.followed_by:
            if prompt_id not in known:
                why = f"prompt {ended.prompt.prompt_id} of this job queued it"
                self._link(record, _link_of(record, QueuedPrompt(prompt_id, 0.0), server, why))

    def _carrying(
        self, by_id: dict[str, JobRecord], linked: set[str], looked: Collection[str], searched: bool
    ) -> Iterator[tuple[QueuedPrompt, WatchedServer]]:
        """Prompts that live, and those that ended and began after the row whose id they carry."""
        for server in self.servers.values():
            if server.fresh:
                search = server.was_away or (searched and server.queue.boot_id is None)
                ended = self._recent(server) if search else ()
                old = [
                    replace(e.prompt, created_at=e.prompt.created_at or e.ending.started_at)
                    for e in ended
                    if is_younger(e, by_id.get(e.prompt.job_id or ""))
                ]
                noted = server.tags.new(by_id, linked, partial(self.ask, server))
                yield from ((prompt, server) for prompt in chain(server.queue, old, noted))
        open_ones = {job_id: r for job_id, r in by_id.items() if not r.job.status.is_final}
        # After every queue: servers that share a directory share its manifests, old ones, too.
        for server in self.servers.values():
            if server.name in looked:
                carried = self.manifests.carrying(server, open_ones, search=searched)
                yield from (
                    (prompt, server)
                    for prompt in carried
                    if self.manifests.wrote(server, prompt.prompt_id, self.servers.values())
                )

    def _link_tagged(
        self,
        by_id: dict[str, JobRecord],
        linked: set[str],
        prompt: QueuedPrompt,
        server: WatchedServer,
    ) -> None:
        if prompt.prompt_id in linked:
            return
        verdict = self.tag_links.judge(prompt, by_id)
        if verdict is None:
            return
        if verdict.record.names_another_prompt and verdict.record.row_prompt_id == prompt.prompt_id:
            return  # a new attempt begins first, and the row names it
        if verdict.links:
            linked.add(prompt.prompt_id)
            self._link(verdict.record, _link_of(verdict.record, prompt, server, verdict.why))
            return
        reason = f"not linked to prompt {prompt.prompt_id}: {verdict.why}"
        evidence = {"prompt_id": prompt.prompt_id, "server": server.name}
        with self.troubles.apart(verdict.record.job.id):
            self.store.jobs.note(verdict.record.job, Event("note", reason, evidence=evidence))

    def _recent(self, server: WatchedServer) -> tuple[EndedPrompt, ...]:
        try:
            recent = server.client.recent(RECENT_PROMPTS)
        except ServerError as error:
            log.info("history not searched", server=server.name, error=str(error))
            return ()
        server.was_away = False
        return recent

    def _link_named(self, records: list[JobRecord]) -> None:
        """Links the prompts that rows name, many at a time: an application may submit thousands."""
        for start in range(0, len(records), BATCH):
            batch = {r.job.id: (r, _named(r)) for r in records[start : start + BATCH]}
            try:
                found = self.store.jobs.link_many([link for _, link in batch.values()])
            except StatementRefused:  # for one row's sake
                for record, link in batch.values():
                    self._link(record, link)
                continue
            for prompt in found.values():
                if prompt.job_id in batch:
                    _note_linked(batch[prompt.job_id][0], prompt)

    def _link(self, record: JobRecord, link: Link) -> None:
        with self.troubles.apart(record.job.id):
            linked = self.store.jobs.link(link.job, link.prompt, link.event, by_row=link.by_row)
            if linked is not None:
                _note_linked(record, linked)


def _named(record: JobRecord) -> Link:
    return _link_of(record, QueuedPrompt(record.row_prompt_id or "", 0.0), None, "the row names it")


def _link_of(
    record: JobRecord, found: QueuedPrompt, server: WatchedServer | None, why: str
) -> Link:
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
    event = Event("linked", reason, evidence=evidence)
    return Link(record.job, prompt, event, by_row=server is None)


def _note_linked(record: JobRecord, prompt: PromptRecord) -> None:
    record.prompts.append(prompt)
    if record.row_prompt_id is None and record.takes_prompt_id:
        record.row_prompt_id = prompt.prompt_id
        record.job = replace(record.job, prompt_id=prompt.prompt_id)
