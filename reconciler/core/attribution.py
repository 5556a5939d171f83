"""Whose file is it? Pure: from what is claimed of a file to the one job it belongs to, or nobody.

In this order: the ending of a prompt that lists the file (history, manifest); the tag inside it; a
configured pattern on its path; a bare job id inside it. A later one counts only where no earlier
one speaks against it. A file belongs to one job; where two claim it and nothing tells them apart,
it is nobody's. All times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: How far the clocks of ComfyUI, the storage and the database may differ, in seconds.
CLOCK_SKEW_S = 5.0


class How(StrEnum):
    """By what a file was found to be a job's, strongest first. The words go into the story."""

    LISTED = "its prompt"
    TAG = "its tag"
    NAME = "its name"
    BARE_TAG = "a bare job id"


@dataclass(frozen=True, slots=True)
class Listing:
    """A prompt whose ending lists the file."""

    job_id: str
    prompt_id: str
    #: Its node was answered from the cache: an earlier prompt wrote the file.
    reused: bool = False
    #: When it ran, by ComfyUI's clock.
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The job of a prompt that a file names, and when the prompt ended; None: it has not."""

    job_id: str
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """When a job's row was created, and when its current attempt was opened."""

    created_at: float
    opened_at: float


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All that is claimed of one file."""

    changed_at: float
    tag_job_id: str | None = None
    tag_prompt_id: str | None = None
    #: What a configured pattern reads off its path.
    named_job_id: str | None = None
    named_prompt_id: str | None = None
    listings: tuple[Listing, ...] = ()
    #: The jobs of the prompts that tag and name speak of, as far as they are linked to one.
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Whose:
    """Who has the file, by what; or, without a job, why nobody has it."""

    job_id: str | None = None
    prompt_id: str | None = None
    how: How | None = None
    #: In words, where two claims contradict each other.
    dispute: str = ""


def whose(facts: FileFacts, rows: Mapping[str, Row], *, accept_bare: bool = True) -> Whose:
    """The job that has the file.

    `rows` are the jobs that may claim by a tag or a name: a file that is older than its row is
    another's, since ids repeat between databases. `accept_bare`: believe a job id that stands
    alone, without a prompt id.
    """
    return (
        _by_listing(facts)
        or _by_tag(facts, rows)
        or _by_name(facts, rows)
        or (_by_bare_tag(facts, rows) if accept_bare else None)
        or Whose()
    )


def is_reused(listing: Listing, changed_at: float) -> bool:
    """True where the prompt lists a file that was there before it began: it wrote nothing."""
    started = listing.started_at
    return listing.reused or (started is not None and changed_at < started - CLOCK_SKEW_S)


def _by_listing(facts: FileFacts) -> Whose | None:
    writers = [each for each in facts.listings if not is_reused(each, facts.changed_at)]
    jobs = {each.job_id for each in writers}
    link = facts.links.get(facts.tag_prompt_id or "")
    if link is not None and link.job_id in jobs:
        # With two that list it, the tag tells which of them wrote last.
        return Whose(link.job_id, facts.tag_prompt_id, How.LISTED, _overwritten(facts, jobs))
    fitting = [each for each in writers if not _changed_after(each, facts.changed_at)]
    if len(jobs) > 1:
        return _of_several(writers, fitting)
    if not writers:
        return None
    last = writers[-1]
    if _is_contradicted(facts, writers, link, changed_later=not fitting):
        return Whose(dispute=f"overwritten by prompt {facts.tag_prompt_id}")
    return Whose(last.job_id, last.prompt_id, How.LISTED)


def _overwritten(facts: FileFacts, jobs: set[str]) -> str:
    return f"overwritten by prompt {facts.tag_prompt_id}" if len(jobs) > 1 else ""


def _of_several(writers: list[Listing], fitting: list[Listing]) -> Whose:
    """One wrote it last; of several whose time it could have been, none is chosen."""
    if len({each.job_id for each in fitting}) == 1:
        last = fitting[-1]
        dispute = f"overwritten by prompt {last.prompt_id}"
        return Whose(last.job_id, last.prompt_id, How.LISTED, dispute)
    prompts = ", ".join(f"{each.prompt_id} of job {each.job_id}" for each in writers)
    return Whose(dispute=f"listed by the prompts {prompts}, and nothing in it tells whose it is")


def _is_contradicted(
    facts: FileFacts, writers: list[Listing], link: Link | None, *, changed_later: bool
) -> bool:
    """True where the tag names a strange prompt and a second thing speaks for it: the file was
    changed after the listing prompts' end, or that prompt is another job's and was still to end.

    The tag alone does not do: an application that sends an earlier prompt's `extra_data` again
    writes that prompt's tag into files of its own.
    """
    if facts.tag_prompt_id in {None, *(each.prompt_id for each in writers)}:
        return False
    if changed_later or link is None or link.ended_at is None:
        return changed_later or link is not None
    began = [each.started_at for each in writers if each.started_at is not None]
    return bool(began) and link.ended_at >= min(began)


def _changed_after(listing: Listing, changed_at: float) -> bool:
    return listing.ended_at is not None and changed_at > listing.ended_at + CLOCK_SKEW_S


def _by_tag(facts: FileFacts, rows: Mapping[str, Row]) -> Whose | None:
    """The tag's prompt decides; one that is nobody's still speaks against a mere name."""
    if facts.tag_prompt_id is None:
        return None
    link = facts.links.get(facts.tag_prompt_id)
    if link is None or link.job_id not in rows:
        return Whose()
    # A prompt without a job has its own id for a job id.
    agrees = facts.tag_job_id in (None, link.job_id, facts.tag_prompt_id)
    if not agrees or _is_older(facts, rows[link.job_id].created_at):
        return Whose()
    return Whose(link.job_id, facts.tag_prompt_id, How.TAG)


def _by_name(facts: FileFacts, rows: Mapping[str, Row]) -> Whose | None:
    """A name alone, so nothing may speak against it: no tag of another job, no prompt's list."""
    if facts.listings or (facts.named_job_id is None and facts.named_prompt_id is None):
        return None
    job_id = facts.named_job_id
    if facts.named_prompt_id is not None:
        link = facts.links.get(facts.named_prompt_id)
        if link is None or job_id not in (None, link.job_id):
            return Whose()
        job_id = link.job_id
    row = rows.get(job_id or "")
    if row is None or facts.tag_job_id not in (None, job_id):
        return Whose()
    since = row.opened_at if facts.named_prompt_id is None else row.created_at
    if _is_older(facts, since):
        return Whose()
    return Whose(job_id, facts.named_prompt_id, How.NAME)


def _by_bare_tag(facts: FileFacts, rows: Mapping[str, Row]) -> Whose | None:
    if facts.listings or facts.tag_job_id is None or facts.tag_job_id not in rows:
        return None
    if facts.changed_at < rows[facts.tag_job_id].opened_at:
        return None
    return Whose(facts.tag_job_id, None, How.BARE_TAG)


def _is_older(facts: FileFacts, row_s: float) -> bool:
    return facts.changed_at < row_s - CLOCK_SKEW_S
