"""What each setting below `jobs.columns` needs of a column, and what speaks against one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.adopt import names
from reconciler.adopt.facts import Column, ColumnSample, Family

_TIMES = (Family.INSTANT, Family.NAIVE)
_NUMBERS = (Family.WHOLE, Family.NUMBER)
#: Characters of a canonical UUID.
_UUID_LENGTH = 36
#: A reason of ours is seldom longer, and a path neither.
_ROOMY = 255

Refusal = str | None


def _any(column: Column, seen: ColumnSample) -> Refusal:
    return None


@dataclass(frozen=True, slots=True)
class Role:
    """One setting of `jobs.columns`."""

    setting: str
    patterns: tuple[str, ...]
    families: tuple[Family, ...]
    #: Whether we write it; else it is only read.
    written: bool
    #: What is lost where no column has it.
    lost: str
    #: What in a column's facts or values speaks against it.
    refuse: Callable[[Column, ColumnSample], Refusal] = _any
    #: The column that is taken where the setting says nothing; `setting` itself, mostly.
    usual: str = ""

    @property
    def default(self) -> str:
        """The column of this name is used unless the setting says otherwise."""
        return self.usual or self.setting

    def refused(self, column: Column, seen: ColumnSample) -> Refusal:
        """Why this column cannot be it; None if it can."""
        if column.family not in self.families:
            return f"is of type {column.type}"
        if self.written and not column.updatable:
            return "cannot be updated: it is computed"
        return self.refuse(column, seen)


def _no_prompt_id(column: Column, seen: ColumnSample) -> Refusal:
    if column.max_length is not None and column.max_length < _UUID_LENGTH:
        return f"is too short for a prompt's id ({column.type})"
    if column.references is not None:
        return f"refers to {column.references}"
    if seen.count and not seen.uuids:
        return f"holds no UUID in {seen.count} rows: ComfyUI's ids are UUIDs"
    return None


def _no_path(column: Column, seen: ColumnSample) -> Refusal:
    if seen.count and not seen.paths + seen.urls:
        return f"holds no path in {seen.count} rows"
    if seen.early:
        return "is filled in rows without a result: it is what a job takes"
    return None


def _no_share(column: Column, seen: ColumnSample) -> Refusal:
    if seen.most is not None and seen.most > 100:
        return f"goes up to {seen.most:g}: neither percent nor a fraction"
    return None


def _no_count(column: Column, seen: ColumnSample) -> Refusal:
    return "holds numbers that are not whole" if seen.fractions else None


PROMPT_ID = Role(
    "prompt_id",
    names.PROMPT_ID,
    (Family.TEXT, Family.UUID),
    written=True,
    lost="any link to a prompt but its tag",
    refuse=_no_prompt_id,
    usual="comfyui_job_id",
)
JOB_TYPE = Role(
    "job_type",
    names.JOB_TYPE,
    (Family.TEXT, Family.ENUM),
    written=False,
    lost="thresholds and expectations by job type",
)
FRAMES = Role(
    "frames",
    names.FRAMES,
    _NUMBERS,
    written=False,
    lost="the check of the frame count, and runtime budgets by frames",
    refuse=_no_count,
)
CREATED_AT = Role(
    "created_at",
    names.CREATED_AT,
    _TIMES,
    written=False,
    lost="the age of rows that were there before us",
)
PROGRESS = Role(
    "progress",
    names.PROGRESS,
    _NUMBERS,
    written=True,
    lost="progress in the row (our own tables have it)",
    refuse=_no_share,
)
OUTPUT_PATH = Role(
    "output_path",
    names.OUTPUT_PATH,
    (Family.TEXT,),
    written=True,
    lost="the path of the output in the row",
    refuse=_no_path,
)
ERROR = Role(
    "error",
    names.ERROR,
    (Family.TEXT,),
    written=True,
    lost="the reason of a failure in the row",
)
UPDATED_AT = Role(
    "updated_at",
    names.UPDATED_AT,
    _TIMES,
    written=True,
    lost="the time of the last change in the row",
)
COMPLETED_AT = Role(
    "completed_at",
    names.COMPLETED_AT,
    _TIMES,
    written=True,
    lost="the time of the end in the row",
)
#: In the order in which they are shown.
ROLES = (
    PROMPT_ID,
    JOB_TYPE,
    FRAMES,
    PROGRESS,
    OUTPUT_PATH,
    ERROR,
    CREATED_AT,
    UPDATED_AT,
    COMPLETED_AT,
)
#: What is written, of all settings.
WRITTEN = {"status", *(role.setting for role in ROLES if role.written)}
