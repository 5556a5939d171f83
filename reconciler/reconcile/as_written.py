"""Is a file on disk what ComfyUI wrote? Its manifest says how it was when the prompt ended."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.core.evidence import FileState, ListedFile, OutputFile
from reconciler.reconcile.digests import Digests, Match
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import PromptRecord


@dataclass(frozen=True, slots=True)
class AsWritten:
    """Compares inspected files with what the manifest says of them.

    The size decides, then the digest. A new time alone is no defect: copying and network storage
    change it.
    """

    #: How long after the first look that knew of the success a file may still be on its way.
    arrival_grace_s: float
    #: Take a sound file that somebody wrote to since as it is.
    accept_rewritten: bool = False

    def judge(
        self,
        output: OutputFile,
        listed: ListedFile,
        record: OutputRecord,
        prompt: PromptRecord,
        digests: Digests,
        *,
        now: float,
        old: bool,
    ) -> OutputFile:
        """The file as its inspection found it, unless it is not what ComfyUI wrote.

        `old`: unchanged for long enough for a defect to count.
        """
        then = listed.size_bytes
        if then is not None and record.size_bytes < then and self._may_arrive(prompt, now):
            words = f"{record.size_bytes} of {then} bytes so far"
            return replace(output, state=FileState.UNSETTLED, defects=(words,), confirmed=False)
        if self.accept_rewritten and _is_rewritten(listed, record, prompt):
            return output
        if then is not None and record.size_bytes != then:
            return _differs(output, _sizes(then, record, prompt), old)
        if listed.digest is None or output.state not in (FileState.SOUND, FileState.UNJUDGED):
            return output
        known = record.identical_to == listed.digest
        match, words = (Match.SAME, "") if known else digests.compare(record, listed.digest)
        if match is Match.SAME:
            output = replace(output, identical_by=listed.digest.partition(":")[0])
        if match is Match.OPEN:
            output = replace(output, state=FileState.UNCHECKED)
        if match is Match.OTHER:
            later = _has_new_time(listed, record)
            what = _changed(record, prompt) if later else "differs from what ComfyUI wrote"
            output = _differs(output, f"{what}: {words}", old)
        return output

    def _may_arrive(self, prompt: PromptRecord, now: float) -> bool:
        seen = prompt.ending_seen_at
        return seen is None or now - seen < self.arrival_grace_s


def _differs(output: OutputFile, words: str, old: bool) -> OutputFile:
    defects = (words, *output.defects)
    confirmed = output.confirmed or old
    return replace(output, state=FileState.UNSOUND, defects=defects, confirmed=confirmed)


def _is_rewritten(listed: ListedFile, record: OutputRecord, prompt: PromptRecord) -> bool:
    """True for a sound file with a new time, which no other prompt has written over."""
    mine = record.tag_prompt_id in (None, prompt.prompt_id)
    return record.sound and mine and _has_new_time(listed, record)


def _has_new_time(listed: ListedFile, record: OutputRecord) -> bool:
    return listed.mtime_ns is not None and record.mtime_ns != listed.mtime_ns


def _sizes(then: int, record: OutputRecord, prompt: PromptRecord) -> str:
    if record.size_bytes < then and not record.sound:
        return f"{record.size_bytes} of the {then} bytes that ComfyUI wrote"
    return f"{_changed(record, prompt)}: {record.size_bytes} bytes, not {then}"


def _changed(record: OutputRecord, prompt: PromptRecord) -> str:
    """Words for a file that somebody wrote to after the prompt's end."""
    by = record.tag_prompt_id
    if by not in (None, prompt.prompt_id):
        return f"overwritten by prompt {by} since ComfyUI wrote it"
    return f"{'overwritten' if record.sound else 'changed'} since ComfyUI wrote it"
