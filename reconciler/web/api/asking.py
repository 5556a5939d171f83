"""Parameters that endpoints share."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import HTTPException, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reconciler.store import Store
from reconciler.store.cursors import MAX_CHARS
from reconciler.store.views import JobView

#: Characters of a job's id, and of what is searched for.
MOST_ID_CHARS = MOST_TEXT_CHARS = 200

Value = TypeVar("Value")


def _one_line(text: str) -> str:
    if "\0" in text:
        raise ValueError("should not contain NUL")
    return text


JobId = Annotated[
    str,
    Path(
        max_length=MOST_ID_CHARS,
        description="The key of the job's row. A slash in it may stay one.",
        examples=["1234"],
    ),
]
Name = Annotated[str, Field(max_length=MOST_TEXT_CHARS), AfterValidator(_one_line)]


class Asked(BaseModel):
    """Parameters of a query: one that is misspelt is an error."""

    model_config = ConfigDict(extra="forbid")


class PageAsked(Asked):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=500, description="Items of a page at most.")
    cursor: str | None = Field(
        None, max_length=MAX_CHARS, description="The `next` of an answer to the same question."
    )


PageQuery = Annotated[PageAsked, Query()]


def job_of(store: Store, job_id: str) -> JobView:
    """The job. Raises HTTPException where there is none."""
    view = store.views.one(job_id)
    if view is None:
        raise HTTPException(404, f"There is no job {job_id!r}.")
    return view
