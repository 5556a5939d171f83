"""Why a file is nobody's, in words."""

from __future__ import annotations

import pytest

from reconciler.core.attribution import FileFacts, Link, Listing
from reconciler.core.orphans import Reason, why_nobodys

NOW = 1_000_000.0
#: Rows of this database; job 8 was never looked at.
JOBS = {"7": NOW - 100, "8": None}


def lists(*jobs: str, **more: bool) -> dict[str, tuple[Listing, ...]]:
    return {"listings": tuple(Listing(job, f"p{job}", **more) for job in jobs)}


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        ({}, Reason.NO_CLAIM, "no tag, and no prompt that is known lists it"),
        (
            lists("12", "15"),
            Reason.CONTESTED,
            "claimed by jobs 12 and 15, and nothing in it tells whose it is",
        ),
        (lists(*"1234567"), Reason.CONTESTED, "claimed by jobs 1, 2, 3, 4 and 3 more, and"),
        (
            {**lists("12"), "tag_prompt_id": "x"},
            Reason.CONTRADICTED,
            "listed by job 12, but its tag names prompt x",
        ),
        (
            lists("12", reused=True),
            Reason.FROM_CACHE,
            "job 12 had it from the cache; who wrote it is not known",
        ),
        (
            {**lists("12", reused=True), "tag_prompt_id": "x"},
            Reason.UNKNOWN_PROMPT,
            "its tag names prompt x, which is not known here",
        ),
        (
            {"tag_job_id": "7", "tag_prompt_id": "x"},
            Reason.UNKNOWN_PROMPT,
            "its tag names job 7, but its prompt x is none of that job's",
        ),
        (
            {"tag_job_id": "9", "tag_prompt_id": "x"},
            Reason.UNKNOWN_PROMPT,
            "its tag names job 9 and prompt x, which are not known here",
        ),
        (
            {"tag_job_id": "x", "tag_prompt_id": "x"},
            Reason.UNKNOWN_PROMPT,
            "its tag names prompt x, which is not known here",
        ),
        (
            {"tag_job_id": "7", "tag_prompt_id": "p8", "links": {"p8": Link("8")}},
            Reason.ANOTHER_JOBS_PROMPT,
            "its tag names job 7, but its prompt p8 is of job 8",
        ),
        (
            {"tag_job_id": "9"},
            Reason.UNKNOWN_JOB,
            "its tag names job 9, which is not in this database",
        ),
        (
            {"tag_job_id": "7", "changed_at": NOW - 101},
            Reason.OLDER_THAN_ROW,
            "its tag names job 7, whose row is younger than the file",
        ),
        ({"tag_job_id": "7"}, Reason.BARE_JOB_ID, "its tag names job 7 and no prompt, and"),
        ({"tag_job_id": "8"}, Reason.BARE_JOB_ID, "its tag names job 8 and no prompt, and"),
        ({"named_job_id": "9"}, Reason.UNKNOWN_JOB, "its name says job 9, which is not in this"),
        ({"named_prompt_id": "x"}, Reason.UNKNOWN_PROMPT, "its name says prompt x, which is not"),
    ],
)
def test_why_a_file_is_nobodys(said: dict[str, object], reason: Reason, words: str) -> None:
    why = why_nobodys(FileFacts(**{"changed_at": NOW, **said}), JOBS)  # type: ignore[arg-type]
    assert why.reason is reason
    assert why.words.startswith(words)


def test_every_claimant_is_named_once() -> None:
    twice = FileFacts(NOW, listings=(Listing("12", "a"), Listing("12", "b"), Listing("9", "c")))
    assert why_nobodys(twice, {}).claimed_by == ("12", "9")
