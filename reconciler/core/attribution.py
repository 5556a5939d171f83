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

#: How far the clocks of ComfyUI and the storage may differ when times are compared to tell one
#: writer from another, in seconds.
CLOCK_SKEW_S = 5.0
#: How far a share's clock may be off where the prompt that a file names speaks for it already: an
#: hour is what a clock is off by that missed the summer time.
STORAGE_SKEW_S = 7200.0


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
    #: The file is, by size and time, still as the manifest saw it at the prompt's end; None where
    #: there is no manifest.
    unchanged: bool | None = None


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


def began_later(listing: Listing, changed_at: float) -> bool:
    """True where the file was there before the prompt began: it wrote nothing."""
    return listing.started_at is not None and changed_at < listing.started_at - CLOCK_SKEW_S


def _by_listing(facts: FileFacts) -> Whose | None:
    writers = [each for each in facts.listings if not each.reused]
    link = facts.links.get(facts.tag_prompt_id or "")
    if len({each.job_id for each in writers}) > 1:
        return _of_several(facts, writers, link)
    if not writers:
        return None
    last = writers[-1]
    if link is not None and link.job_id == last.job_id:
        return Whose(last.job_id, facts.tag_prompt_id, How.LISTED)
    if _is_contradicted(facts, writers, link):
        return Whose(dispute=f"overwritten by prompt {facts.tag_prompt_id}")
    return Whose(last.job_id, last.prompt_id, How.LISTED)


def _of_several(facts: FileFacts, writers: list[Listing], link: Link | None) -> Whose:
    """One of them wrote it last: by its tag, by the manifest, or by the time of its last change.
    Where none of these tells, none is chosen."""
    if link is not None and link.job_id in {each.job_id for each in writers}:
        return _written_by(link.job_id, facts.tag_prompt_id)
    in_time = [
        each
        for each in writers
        if not began_later(each, facts.changed_at) and not _changed_after(each, facts.changed_at)
    ]
    unchanged = [each for each in writers if each.unchanged]
    for candidates in (unchanged, in_time, _last_to_begin(writers, facts.changed_at)):
        if len({each.job_id for each in candidates}) == 1:
            return _written_by(candidates[-1].job_id, candidates[-1].prompt_id)
    return Whose(dispute=contested(tuple(each.job_id for each in writers)))


def _last_to_begin(writers: list[Listing], changed_at: float) -> list[Listing]:
    """The writer that began when all others had ended, where the file was changed since: it came
    last, whatever the storage's clock makes of the end."""
    last = max(writers, key=lambda each: each.started_at or 0.0)
    others = [each for each in writers if each.job_id != last.job_id]
    if last.started_at is None or changed_at < last.started_at:
        return []
    began = last.started_at - CLOCK_SKEW_S
    after_all = all(each.ended_at is not None and each.ended_at <= began for each in others)
    return [last] if after_all else []


def contested(job_ids: tuple[str, ...]) -> str:
    """Words for a file that these jobs claim with the same right; at most five are named."""
    jobs = tuple(dict.fromkeys(job_ids))
    *first, last = jobs if len(jobs) <= 5 else (*jobs[:4], f"{len(jobs) - 4} more")
    return f"claimed by jobs {', '.join(first)} and {last}, and nothing in it tells whose it is"


def _written_by(job_id: str, prompt_id: str | None) -> Whose:
    return Whose(job_id, prompt_id, How.LISTED, f"overwritten by prompt {prompt_id}")


def _is_contradicted(facts: FileFacts, writers: list[Listing], link: Link | None) -> bool:
    """True where the tag names a strange prompt and a second thing speaks for it: the file was
    changed after the listing prompts' end, by its time or by their manifest; or that prompt is
    another job's and was still to end.

    The tag alone does not do: an application that sends an earlier prompt's `extra_data` again
    writes that prompt's tag into files of its own.
    """
    if facts.tag_prompt_id in {None, *(each.prompt_id for each in writers)}:
        return False
    if any(each.unchanged for each in writers):
        return False
    if all(_changed_after(e, facts.changed_at) or e.unchanged is False for e in writers):
        return True
    if link is None or link.ended_at is None:
        return link is not None
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
    if not agrees or facts.changed_at < rows[link.job_id].created_at - STORAGE_SKEW_S:
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
    if facts.named_prompt_id is None:
        too_old = facts.changed_at < row.opened_at
    else:
        too_old = facts.changed_at < row.created_at - STORAGE_SKEW_S
    if too_old:
        return Whose()
    return Whose(job_id, facts.named_prompt_id, How.NAME)


def _by_bare_tag(facts: FileFacts, rows: Mapping[str, Row]) -> Whose | None:
    if facts.listings or facts.tag_job_id is None or facts.tag_job_id not in rows:
        return None
    if facts.changed_at < rows[facts.tag_job_id].opened_at:
        return None
    return Whose(facts.tag_job_id, None, How.BARE_TAG)
