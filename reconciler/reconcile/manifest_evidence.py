"""What the node pack's manifests say about the prompts of jobs, as far as it can be believed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from reconciler.comfyui.manifest import Manifest, is_same_run, with_manifest
from reconciler.comfyui.values import EndedPrompt, QueuedPrompt
from reconciler.core.attribution import STORAGE_SKEW_S
from reconciler.core.evidence import EndKind
from reconciler.reconcile.notes import CLOCK_SKEW_S
from reconciler.reconcile.servers import WatchedServer
from reconciler.store.records import JobRecord, PromptRecord

log = structlog.get_logger(__name__)


@dataclass
class ManifestEvidence:
    """Asks the manifests of each server's output directory.

    A manifest outlives its prompt, ComfyUI and the row, so it is no evidence about a prompt whose
    id was used again: not if its run began before the row's attempt was opened, nor if it ended
    before the prompt was found alive.
    """

    #: The lives of ComfyUI's processes of servers that other agents attend to.
    strangers: Callable[[], Collection[str]] = frozenset
    #: Since when each prompt, that has no ending yet, has been known to live.
    _alive_since: dict[str, float] = field(default_factory=dict)
    #: Prompts whose manifest is an earlier run's: told once.
    _earlier: set[str] = field(default_factory=set)

    def lives(self, prompt_id: str, now: float) -> None:
        """The prompt was found in a queue: no manifest that is older tells how it will end."""
        self._alive_since.setdefault(prompt_id, now)

    def ended(self, prompt_id: str) -> None:
        """Its ending is known; found alive again it is another run."""
        self._alive_since.pop(prompt_id, None)

    def keep(self, prompt_ids: Collection[str]) -> None:
        """Forget all prompts but these."""
        self._alive_since = {p: s for p, s in self._alive_since.items() if p in prompt_ids}
        self._earlier.intersection_update(prompt_ids)

    def wrote(
        self, server: WatchedServer, prompt_id: str, servers: Iterable[WatchedServer]
    ) -> bool:
        """True where a manifest in this server's directory may be its own. Servers that share the
        directory share its manifests; each tells which process wrote it."""
        manifest = _of(server, prompt_id)
        boot_id = None if manifest is None else manifest.boot_id
        if boot_id is None or server.lived_as(boot_id):
            return True
        return boot_id not in self.strangers() and not any(o.lived_as(boot_id) for o in servers)

    def ending(
        self, record: JobRecord, prompt: PromptRecord, server: WatchedServer
    ) -> EndedPrompt | None:
        """How the prompt ended, by its manifest: one question to the storage."""
        manifest = _of(server, prompt.prompt_id)
        if manifest is None or not manifest.tells_the_end:
            return None
        if not self._is_this_run(record, prompt, manifest):
            self._tell(record, prompt, server)
            return None
        return manifest.ended

    def later_ending(
        self, record: JobRecord, prompt: PromptRecord, server: WatchedServer
    ) -> EndedPrompt | None:
        """How a later run of a prompt ended whose ending is known, by its manifest."""
        manifest, known = _of(server, prompt.prompt_id), prompt.ending
        if manifest is None or known is None or not manifest.tells_the_end:
            return None
        before = EndedPrompt(QueuedPrompt(prompt.prompt_id, 0.0), known)
        later = is_same_run(before, manifest) is False
        return manifest.ended if later and self._is_this_run(record, prompt, manifest) else None

    def completed(
        self, record: JobRecord, prompt: PromptRecord, server: WatchedServer, ended: EndedPrompt
    ) -> EndedPrompt:
        """The same end with what the manifest adds: sizes, digests, expected frames, timings."""
        manifest = _of(server, prompt.prompt_id)
        if manifest is None:
            return ended
        same = is_same_run(ended, manifest)
        if same is None:
            same = self._is_this_run(record, prompt, manifest)
        return with_manifest(ended, manifest) if same else ended

    def complete_later(
        self, record: JobRecord, prompt: PromptRecord, server: WatchedServer
    ) -> bool:
        """The pack adds digests after the end. True where the ending has them now, or more."""
        ending = prompt.ending
        if ending is None or ending.kind is not EndKind.SUCCESS or record.job.status.is_final:
            return False
        if all(file.digest is not None for file in ending.files if file.type == "output"):
            return False
        known = EndedPrompt(QueuedPrompt(prompt.prompt_id, 0.0), ending)
        prompt.ending = self.completed(record, prompt, server, known).ending
        return prompt.ending != ending

    def carrying(
        self, server: WatchedServer, wanted: Mapping[str, JobRecord], *, search: bool
    ) -> Iterator[QueuedPrompt]:
        """Prompts that carry the id of one of these open jobs and began after its row was opened:
        they may have come and gone while nobody looked."""
        if not server.storage_answers():
            return
        if wanted and (search or not server.manifests.searched):
            opened = min(record.job.opened_at for record in wanted.values())
            server.manifests.search(opened - STORAGE_SKEW_S)
        for ended in server.manifests.carrying(wanted):
            if _is_younger(ended, wanted[ended.prompt.job_id or ""]):
                prompt, began = ended.prompt, ended.ending.started_at
                yield replace(prompt, created_at=prompt.created_at or began)

    def _is_this_run(self, record: JobRecord, prompt: PromptRecord, manifest: Manifest) -> bool:
        began, ended = manifest.began_at, manifest.ended.ending.ended_at
        if began is None or ended is None or began < record.job.opened_at - CLOCK_SKEW_S:
            return False
        alive = (prompt.running_since, self._alive_since.get(prompt.prompt_id))
        return all(since is None or ended >= since - CLOCK_SKEW_S for since in alive)

    def _tell(self, record: JobRecord, prompt: PromptRecord, server: WatchedServer) -> None:
        if prompt.prompt_id not in self._earlier:
            self._earlier.add(prompt.prompt_id)
            log.info(
                "manifest is of an earlier run, or ComfyUI's clock is wrong: no evidence",
                job=record.job.id,
                prompt=prompt.prompt_id,
                server=server.name,
            )


def _of(server: WatchedServer, prompt_id: str) -> Manifest | None:
    return server.manifests.of(prompt_id) if server.storage_answers() else None


def _is_younger(ended: EndedPrompt, record: JobRecord) -> bool:
    """True where the prompt began after the row whose id it carries; serial ids repeat between
    databases. Of one that was removed it may be known only when."""
    ending = ended.ending
    began = ended.prompt.created_at or ending.started_at
    if began is None and ending.kind is EndKind.REMOVED:
        began = ending.ended_at
    return began is not None and began >= record.job.opened_at - CLOCK_SKEW_S
