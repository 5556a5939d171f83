"""What ComfyUI says of a job's prompts, beside what its row says, and the error of a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.evidence import Ending, EndKind
from reconciler.core.jobs import FailureCode, Status
from reconciler.store.records import PromptRecord
from reconciler.store.views import JobView
from reconciler.web.pages.sentence import Sentence, moment, sentence
from reconciler.words.prompts import ending_words, prompt_words
from reconciler.words.text import safe

#: Longest message of an exception that is shown, in characters.
MAX_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class NodeError:
    """The error that ended a prompt. Outside text, bounded."""

    prompt_id: str
    node_id: str | None
    node_type: str | None
    exception_type: str | None
    #: First line of its message.
    message: str | None
    out_of_memory: bool


@dataclass(frozen=True, slots=True)
class PromptLine:
    """One prompt of the job, in words."""

    prompt_id: str
    attempt: int
    is_current: bool
    server: str | None
    words: Sentence


@dataclass(frozen=True, slots=True)
class Beside:
    """ComfyUI's verdict on the current attempt and ours."""

    #: What ComfyUI says, one sentence for each prompt that it told the end of.
    comfyui: tuple[Sentence, ...]
    ours: str
    agree: bool
    #: What to make of both, in one sentence.
    words: str


def errors(prompts: Sequence[PromptRecord], attempt: int | None) -> list[NodeError]:
    """The errors of the current attempt's prompts."""
    ended = [(p.prompt_id, p.ending) for p in prompts if p.attempt == attempt and p.ending]
    return [
        _error(prompt_id, ending)
        for prompt_id, ending in ended
        if ending.kind is EndKind.ERROR or ending.exception_type is not None
    ]


def _error(prompt_id: str, ending: Ending) -> NodeError:
    return NodeError(
        prompt_id,
        node_id=_shown(ending.node_id),
        node_type=_shown(ending.node_type),
        exception_type=_shown(ending.exception_type),
        message=_shown(ending.message),
        out_of_memory=ending.out_of_memory,
    )


def _shown(text: str | None) -> str | None:
    return None if text is None else safe(text, MAX_MESSAGE)


def prompt_lines(prompts: Sequence[PromptRecord], attempt: int | None) -> list[PromptLine]:
    """All prompts of all attempts, the newest attempt first."""
    newest_first = sorted(prompts, key=lambda prompt: -prompt.attempt)
    return [_line(prompt, attempt) for prompt in newest_first]


def _line(prompt: PromptRecord, attempt: int | None) -> PromptLine:
    words = prompt_words(prompt, attempt, moment).partition(", ")[2]
    return PromptLine(
        prompt.prompt_id,
        prompt.attempt,
        prompt.attempt == attempt,
        prompt.server,
        sentence(words or "nothing is known of it yet"),
    )


def beside(job: JobView, prompts: Sequence[PromptRecord]) -> Beside:
    """Both verdicts, and what to make of a difference."""
    endings = [p.ending for p in prompts if p.attempt == job.attempt and p.ending is not None]
    ours = job.status if job.failure is None else f"{job.status}: {job.failure.value}"
    agree, words = _compared(job, [ending.kind for ending in endings])
    said = tuple(sentence(ending_words(ending, moment)) for ending in endings)
    return Beside(said, ours, agree, words)


def _compared(job: JobView, kinds: Sequence[EndKind]) -> tuple[bool, str]:
    if not kinds:
        return _silent(job)
    last = next((kind for kind in kinds if kind is not EndKind.SUCCESS), EndKind.SUCCESS)
    if job.is_open:
        return True, "ComfyUI is done; whether it is right is being found out."
    if last is EndKind.SUCCESS:
        return _success(job)
    if job.status == Status.COMPLETED.value:
        return False, f"ComfyUI says {last.value}, and the job has its files all the same."
    return True, "Both say the same."


def _silent(job: JobView) -> tuple[bool, str]:
    if job.is_open:
        return True, "ComfyUI has not told an end yet."
    if job.status == Status.COMPLETED.value:
        return True, "ComfyUI never told how it ended: the files themselves prove it."
    if job.failure is None:
        return True, "ComfyUI never told how it ended; the row was set by somebody else."
    return False, "ComfyUI never told how it ended. The row rests on what the timeline shows."


def _success(job: JobView) -> tuple[bool, str]:
    if job.status == Status.COMPLETED.value:
        return True, "Both say the same, and every output was looked at."
    if job.status == Status.CANCELLED.value:
        return False, "ComfyUI finished it; the job was cancelled all the same."
    told = {
        FailureCode.INVALID_OUTPUT: "a file of it is damaged or is not what was expected",
        FailureCode.MISSING_OUTPUT: "a file of it is not on disk",
        FailureCode.NO_OUTPUT: "it saved nothing",
        FailureCode.UNJUDGED_OUTPUT: "nothing here can judge a file of it",
    }
    why = None if job.failure is None else told.get(job.failure)
    if why is None:
        return False, "ComfyUI calls it a success; the row says otherwise, see the timeline."
    return False, f"ComfyUI calls it a success, but {why}."
