"""Short names for the values that the tests of the core are about."""

from __future__ import annotations

from typing import Any

from reconciler.core.case import Decision
from reconciler.core.decide import decide
from reconciler.core.evidence import (
    Ending,
    EndKind,
    Evidence,
    FileState,
    OutputFile,
    Place,
    PromptEvidence,
    Source,
)
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.core.policy import Policy

#: All tests stand at this time.
NOW = 1_000_000.0


def job(status: Status = Status.PROCESSING, **fields: Any) -> Job:
    known: dict[str, Any] = {"failure": None, "attempt": 1, "prompt_id": "p1", "frames": 72}
    return Job("42", status, **(known | {"opened_at": NOW - 100} | fields))


def failed(code: FailureCode | None) -> Job:
    return job(Status.FAILED, failure=code)


def prompt(place: Place = Place.UNKNOWN, **fields: Any) -> PromptEvidence:
    known: dict[str, Any] = {"prompt_id": "p1", "server": "gpu-1", "ever_seen": True}
    return PromptEvidence(place=place, **(known | fields))


def running(**fields: Any) -> PromptEvidence:
    """A prompt that began, and spoke, ten seconds ago."""
    return prompt(Place.RUNNING, **({"running_since": NOW - 10, "last_sign_at": NOW - 10} | fields))


def pending(**fields: Any) -> PromptEvidence:
    return prompt(Place.PENDING, **({"position": 3} | fields))


def absent(**fields: Any) -> PromptEvidence:
    """A prompt that has been missing for long enough to be lost, by the default policy."""
    return prompt(Place.ABSENT, **({"missing_looks": 9, "missing_since": NOW - 600} | fields))


def ended(kind: EndKind, **fields: Any) -> PromptEvidence:
    of_prompt = ("prompt_id", "interrupted_by_us")
    own = {key: fields.pop(key) for key in of_prompt if key in fields}
    ending = Ending(kind, Source.HISTORY, **fields)
    return prompt(Place.UNKNOWN, ending=ending, ending_seen_at=NOW - 5, **own)


def success(*outputs: OutputFile, cached: bool = False, **fields: Any) -> PromptEvidence:
    ending = Ending(EndKind.SUCCESS, Source.HISTORY, cached=cached, ended_at=NOW - 5)
    known = {"ending": ending, "ending_seen_at": NOW - 5, "outputs": outputs}
    return prompt(**(known | fields))


def file(state: FileState = FileState.SOUND, path: str = "out/a.mp4", **fields: Any) -> OutputFile:
    return OutputFile(path, state, **fields)


def broken(*defects: str, **fields: Any) -> OutputFile:
    """A file whose damage was seen twice."""
    return file(FileState.UNSOUND, **({"defects": defects, "confirmed": True} | fields))


def judge(
    *prompts: PromptEvidence,
    of: Job | None = None,
    policy: Policy | None = None,
    now: float = NOW,
    **evidence: Any,
) -> Decision:
    """The decision on these prompts at `now`, by the default policy unless told otherwise."""
    gathered = Evidence(prompts=prompts, **({"watching_since": NOW - 5_000} | evidence))
    return decide(of or job(), gathered, policy or Policy(), now)
