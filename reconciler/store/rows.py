"""Rows of the database as values."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.store.records import (
    Event,
    JobRecord,
    PromptRecord,
    StoryEvent,
    doing_from_json,
    ending_from_json,
)

#: No film has more frames, seconds or pixels: what exceeds it cannot be meant.
_MOST = 1e12
_of_prompt = itemgetter(*PromptRecord.__slots__)
#: As a boolean column says it, or the text of one inside a json column.
_FLAGS = {True: True, False: False, "true": True, "false": False}


def job_of(row: Mapping[str, Any], default_frames: int | None = None) -> JobRecord:
    """A row of the jobs table, whose status is one of ours, with our state of it. `default_frames`
    is what the column has where nobody sets it."""
    seen = row["known_status"] is not None
    created_at = row["now"] if row["created_at"] is None else row["created_at"]
    job = Job(
        id=row["job_id"],
        status=Status(row["row_status"]),
        failure=FailureCode(row["failure"]) if row["failure"] else None,
        attempt=row["attempt"] if seen else 1,
        prompt_id=row["row_prompt_id"],
        opened_at=row["opened_at"] if seen else created_at,
        job_type=row["job_type"],
        frames=whole(row["frames"]),
    )
    return JobRecord(
        job=job,
        row_status=row["row_status"],
        row_word=row["row_word"],
        row_prompt_id=row["row_prompt_id"],
        row_progress=row["row_progress"],
        known_status=row["known_status"],
        stage=row["stage"],
        server=row["server"],
        queue_position=row["queue_position"],
        progress=row["progress"],
        eta_s=row["eta_s"],
        eta_high_s=row["eta_high_s"],
        rule=row["rule"],
        reason=row["reason"],
        overwritten=row["overwritten"] or 0,
        decided_at=row["decided_at"],
        created_at=min(created_at, job.opened_at),
        expects=_expects(row),
        frames_by_default=job.frames is not None and job.frames == default_frames,
        row_server=row["row_server"],
        takes_prompt_id=row["takes_prompt_id"],
        takes_progress=row.get("takes_progress", True),
    )


def _expects(row: Mapping[str, Any]) -> Expectation:
    """What the columns say that the table has; a value that cannot be meant expects nothing."""
    frames, audio = _positive(row["frames"]), _FLAGS.get(row["audio"])
    width, height = _positive(row["width"]), _positive(row["height"])
    return Expectation(
        frames=None if frames is None else ExpectedFrames(int(frames)),
        fps=_positive(row["fps"]),
        duration_s=_positive(row["duration_s"]),
        width=None if width is None else int(width),
        height=None if height is None else int(height),
        audio=audio,
    )


def _positive(value: Any) -> float | None:
    if value is None:
        return None
    try:
        known = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return known if 0 < known <= _MOST else None


def prompt_of(row: Mapping[str, Any]) -> PromptRecord:
    """A row of `prompts_of`."""
    prompt = PromptRecord(*_of_prompt(row))
    prompt.ending = ending_from_json(row["ending"])
    prompt.doing = doing_from_json(row["doing"])
    return prompt


def story_event_of(row: Mapping[str, Any]) -> StoryEvent:
    """A row of `story`."""
    names = ("kind", "reason", "from_status", "to_status", "failure", "rule", "evidence")
    return StoryEvent(
        row["id"], row["at"], row["attempt"], Event(**{name: row[name] for name in names})
    )


def whole(value: Any) -> Any:
    """A number of whatever type the column has. What is none stays: nothing can be concluded from
    it, and the job's judgement says so."""
    try:
        return int(float(value) if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return value
