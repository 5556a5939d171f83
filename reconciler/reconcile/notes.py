"""Prompts that ended, as the node pack's snapshot told: of some that is all that will be known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from comfy_node.contract import MAX_ENDED
from reconciler.comfyui.values import EndedNote, EndedPrompt, QueuedPrompt
from reconciler.core.evidence import Ending, EndKind, Place, Source
from reconciler.store.records import JobRecord, PromptRecord

#: How far ComfyUI's clock may differ from the database's when ages are compared, in seconds.
CLOCK_SKEW_S = 5.0
_DETAILS_GONE = (
    "the node pack told that the prompt ended so; ComfyUI's history no longer has the details"
)


class EndedNotes:
    """The newest notes of one server, the last word of each prompt. Lost with our process, and
    told again by the first snapshot after that."""

    def __init__(self, limit: int = 4 * MAX_ENDED) -> None:
        self._limit = limit
        self._notes: dict[str, EndedNote] = {}

    def add(self, notes: Iterable[EndedNote]) -> None:
        """Takes notes, oldest first."""
        for note in notes:
            self._notes.pop(note.prompt_id, None)
            self._notes[note.prompt_id] = note
        for prompt_id in list(self._notes)[: -self._limit]:
            del self._notes[prompt_id]

    def forget(self, prompt_ids: Iterable[str]) -> None:
        """These are in the queue again: how they ended before says nothing."""
        for prompt_id in prompt_ids:
            self._notes.pop(prompt_id, None)

    def of(self, prompt_id: str) -> EndedNote | None:
        """How a prompt ended."""
        return self._notes.get(prompt_id)

    def __iter__(self) -> Iterator[EndedNote]:
        return iter(tuple(self._notes.values()))


def ending_of(note: EndedNote) -> Ending | None:
    """The ending that a note alone proves; None for a success, which lists no files."""
    if note.kind is EndKind.SUCCESS:
        return None
    message = None if note.kind is EndKind.REMOVED else _DETAILS_GONE
    return Ending(note.kind, Source.SNAPSHOT, message=message, ended_at=note.at)


@dataclass
class NotedTags:
    """Links rows to prompts that came and went between two looks, by the job id that they carried
    or the prompt that queued them.

    Serial ids repeat between databases: a prompt that ended before the row was opened is another's,
    and so is one that began before, where history tells.
    """

    notes: EndedNotes
    #: Prompts that began before the row whose id they carry: asked for once.
    _strangers: set[tuple[str, str]] = field(default_factory=set)

    def new(
        self,
        by_id: Mapping[str, JobRecord],
        linked: Collection[str],
        ask: Callable[[PromptRecord], EndedPrompt | Place],
    ) -> Iterator[QueuedPrompt]:
        """The prompts that belong to one of these jobs and are not linked yet."""
        notes = {note.prompt_id: note for note in self.notes if note.prompt_id not in linked}
        self._strangers = {told for told in self._strangers if told[0] in notes}
        if not notes:
            return
        firsts = {prompt.prompt_id for record in by_id.values() for prompt in record.attempted}
        for note in notes.values():
            found = QueuedPrompt(
                note.prompt_id, 0.0, note.job_id, first_prompt_id=note.first_prompt_id
            )
            record = by_id.get(note.job_id or "")
            if note.first_prompt_id in firsts:
                yield found
            elif record is not None and not record.job.status.is_final:
                yield from self._carrying(note, record, found, ask)

    def _carrying(
        self,
        note: EndedNote,
        record: JobRecord,
        found: QueuedPrompt,
        ask: Callable[[PromptRecord], EndedPrompt | Place],
    ) -> Iterator[QueuedPrompt]:
        """The prompt, if it is this row's whose id it carried."""
        told = (note.prompt_id, record.job.id)
        if told in self._strangers or not _ended_after(note, record):
            return
        ended = ask(PromptRecord(note.prompt_id, record.job.id, record.job.attempt))
        if ended is Place.ABSENT:  # removed, or history was cleared: there is but the note
            yield found
        elif isinstance(ended, EndedPrompt) and is_younger(ended, record):
            yield replace(ended.prompt, job_id=note.job_id, first_prompt_id=note.first_prompt_id)
        elif isinstance(ended, EndedPrompt):
            self._strangers.add(told)


def is_younger(ended: EndedPrompt, record: JobRecord | None) -> bool:
    """True where a prompt began after the row whose id it carries."""
    if record is None:
        return False
    began = ended.prompt.created_at or ended.ending.started_at
    return began is not None and began >= record.job.opened_at - CLOCK_SKEW_S


def _ended_after(note: EndedNote, record: JobRecord) -> bool:
    return note.at is not None and note.at >= record.job.opened_at - CLOCK_SKEW_S
