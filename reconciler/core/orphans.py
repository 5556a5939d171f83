"""Why a file is nobody's, in words for whoever looks after the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from reconciler.core.attribution import FileFacts, contested


class Reason(StrEnum):
    """Why a file is nobody's."""

    #: Nothing is claimed of it: no tag, no name that a pattern reads, no list.
    NO_CLAIM = "no_claim"
    #: Several jobs list it, and nothing tells them apart.
    CONTESTED = "contested"
    #: One job lists it, and its tag names a prompt that is none of that job's.
    CONTRADICTED = "contradicted"
    #: The prompt that listed it had it from the cache, and who wrote it is not known.
    FROM_CACHE = "from_cache"
    #: It names a prompt that this database does not know.
    UNKNOWN_PROMPT = "unknown_prompt"
    #: The job that it names is not the job of the prompt that it names.
    ANOTHER_JOBS_PROMPT = "another_jobs_prompt"
    #: It names a job that is not in this database.
    UNKNOWN_JOB = "unknown_job"
    #: It is older than the row that it names: ids repeat between databases.
    OLDER_THAN_ROW = "older_than_row"
    #: It names a job and no prompt, and nothing else says that the job has it.
    BARE_JOB_ID = "bare_job_id"


@dataclass(frozen=True, slots=True)
class WhyNobodys:
    """The reason, a sentence, and the jobs that claim the file."""

    reason: Reason
    words: str
    claimed_by: tuple[str, ...] = ()


def why_nobodys(facts: FileFacts, jobs: Mapping[str, float | None]) -> WhyNobodys:
    """Why the file is nobody's. `jobs`: those of the jobs it speaks of that are in this database,
    with the time since when the row is known, in seconds since the epoch."""
    return (
        _lists(facts)
        or _ids(facts, jobs)
        or WhyNobodys(Reason.NO_CLAIM, "no tag, and no prompt that is known lists it")
    )


def _lists(facts: FileFacts) -> WhyNobodys | None:
    """What the prompts that list it say."""
    written = [each for each in facts.listings if not each.reused]
    claimants = tuple(dict.fromkeys(each.job_id for each in written))
    if len(claimants) > 1:
        return WhyNobodys(Reason.CONTESTED, contested(claimants), claimants)
    if claimants and facts.tag_prompt_id is not None:
        words = f"listed by job {claimants[0]}, but its tag names prompt {facts.tag_prompt_id}"
        return WhyNobodys(Reason.CONTRADICTED, words, claimants)
    if facts.listings and facts.tag_prompt_id is None:
        words = f"job {facts.listings[-1].job_id} had it from the cache; who wrote it is not known"
        return WhyNobodys(Reason.FROM_CACHE, words)
    return None


def _ids(facts: FileFacts, jobs: Mapping[str, float | None]) -> WhyNobodys | None:
    """What its tag and its name say."""
    if facts.tag_prompt_id is not None:
        return _prompts(facts, jobs)
    if facts.tag_job_id is not None:
        return _jobs(facts, facts.tag_job_id, f"its tag names job {facts.tag_job_id}", jobs)
    if facts.named_prompt_id is not None:
        words = f"its name says prompt {facts.named_prompt_id}, which is not known here"
        return WhyNobodys(Reason.UNKNOWN_PROMPT, words)
    if facts.named_job_id is not None:
        return _jobs(facts, facts.named_job_id, f"its name says job {facts.named_job_id}", jobs)
    return None


def _prompts(facts: FileFacts, jobs: Mapping[str, float | None]) -> WhyNobodys:
    """Its tag names a prompt."""
    prompt_id, job_id = facts.tag_prompt_id or "", facts.tag_job_id
    link = facts.links.get(prompt_id)
    if link is not None:
        words = f"its tag names job {job_id}, but its prompt {prompt_id} is of job {link.job_id}"
        return WhyNobodys(Reason.ANOTHER_JOBS_PROMPT, words)
    if job_id is None or job_id == prompt_id:
        words = f"its tag names prompt {prompt_id}, which is not known here"
    elif job_id in jobs:
        words = f"its tag names job {job_id}, but its prompt {prompt_id} is none of that job's"
    else:
        words = f"its tag names job {job_id} and prompt {prompt_id}, which are not known here"
    return WhyNobodys(Reason.UNKNOWN_PROMPT, words)


def _jobs(
    facts: FileFacts, job_id: str, words: str, jobs: Mapping[str, float | None]
) -> WhyNobodys:
    """It names a job and no prompt."""
    if job_id not in jobs:
        return WhyNobodys(Reason.UNKNOWN_JOB, f"{words}, which is not in this database")
    since = jobs[job_id]
    if since is not None and facts.changed_at < since:
        return WhyNobodys(Reason.OLDER_THAN_ROW, f"{words}, whose row is younger than the file")
    return WhyNobodys(
        Reason.BARE_JOB_ID, f"{words} and no prompt, and nothing else says that it is that job's"
    )
