"""What a person asked for, as far as it decides what a row says: to cancel, and to accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core import living
from reconciler.core.case import Case, Decision, Stage, facts, file_facts, seen
from reconciler.core.evidence import EndKind, FileState, OutputFile, Place
from reconciler.core.jobs import Job, Status

#: The rule of a decision that a person took.
ACCEPTED = "accepted"
#: Files that can be taken as they are: they are there, and will not change.
_THERE = (FileState.SOUND, FileState.UNSOUND, FileState.UNJUDGED)


def cancel(case: Case) -> Decision | None:
    """Cancelled once nothing of the job can run any more; what ended before is told as it is."""
    by, prompt = case.evidence.cancel_asked_by, case.open
    if by is None or _ended_otherwise(case):
        return None
    if prompt is None or prompt.place is Place.ABSENT:
        gone = _ended_by_it(case) if prompt is None else _is_gone(case)
        return _cancelled(case, by) if gone else None
    if prompt.place is Place.UNKNOWN or prompt.worker_dead:
        return None
    waiting = living.running(case) or living.pending(case)
    if waiting is None or waiting.status.is_final:
        return None  # it stalls, or waited for too long: that is what is to be said
    what = (
        "interrupted; its node has not let go yet, and one that hangs never does before a restart"
        if waiting.stage is Stage.RUNNING
        else "to be deleted from the queue"
    )
    return replace(waiting, rule="cancel", reason=f"{_asked(by)}: {what}")


def accepted(job: Job, files: Sequence[OutputFile], by: str) -> Decision | None:
    """A job that failed, or whose files cannot be judged, completed on a person's word; None where
    it has no file that could be accepted."""
    there = [file for file in files if file.state in _THERE]
    if not there:
        return None
    main = next((file for file in reversed(there) if file.is_main), there[-1])
    name = main.path.replace("\\", "/").rpartition("/")[2]
    about = "; ".join(main.defects) or main.unjudged
    warning = f"accepted as it is by {by}: {name}{f', {about}' if about else ''}"
    return Decision(
        Status.COMPLETED,
        ACCEPTED,
        warning,
        output_path=main.path,
        warning=warning,
        prompt_id=main.prompt_id or job.prompt_id,
        evidence={
            "asked_by": by,
            "failure": job.failure.value if job.failure else None,
            "outputs": file_facts(tuple(there)),
        },
    )


def _ended_otherwise(case: Case) -> bool:
    raised = any(p.ending is not None and p.ending.kind is EndKind.ERROR for p in case.prompts)
    return raised or bool(case.successes) or case.job.status.is_final


def _ended_by_it(case: Case) -> bool:
    """True where no prompt was ever there, or an interrupt is what ended it."""
    if not case.prompts:
        return case.job.prompt_id is None
    error = case.error
    return (
        error is not None
        and error.ending is not None
        and error.ending.kind is EndKind.INTERRUPTED
        and not error.interrupted_by_us
    )


def _is_gone(case: Case) -> bool:
    """False where all that is missing are ids that may be mistakes: the others tell what is the
    case."""
    unended = [p for p in case.prompts if p.ending is None]
    return any(map(seen, unended)) or not any(map(seen, case.prompts))


def _cancelled(case: Case, by: str) -> Decision:
    prompt = case.open or case.error
    return Decision(
        Status.CANCELLED,
        "cancel",
        _asked(by),
        prompt_id=prompt.prompt_id if prompt else None,
        evidence=facts(prompt) | {"asked_by": by},
        needs_second_look=True,
    )


def _asked(by: str) -> str:
    return f"cancelled by {by}"
