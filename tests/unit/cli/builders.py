"""Jobs as the store hands them out, with only what a test is about spelt out."""

from __future__ import annotations

from typing import Any

from reconciler.store.records import PromptRecord
from reconciler.store.views import JobView

#: The database's time in these tests.
NOW = 1_790_000_000.0


def job(status: str = "processing", **known: Any) -> JobView:
    """A job that the service has seen."""
    values: dict[str, Any] = dict.fromkeys(JobView.__slots__)
    values |= {"id": "7", "attempt": 1, "opened_at": NOW - 100, "left_alone": False}
    return JobView(**(values | {"status": status} | known))


def prompt(**clocks: Any) -> PromptRecord:
    """A prompt of that job."""
    values: dict[str, Any] = {"prompt_id": "p", "job_id": "7", "attempt": 1, **clocks}
    return PromptRecord(**values)
