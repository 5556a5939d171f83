"""What the settings make of expectations: which sources count, and how, by job type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from reconciler.core.expectation import (
    Expectation,
    Expected,
    ExpectedFrames,
    FrameRule,
    Stated,
    merge,
)
from reconciler.core.stages import is_like

ROW = "the row"
#: A row's columns that can expect something, where the table has them.
COLUMNS = ("frames", "fps", "duration_s", "width", "height", "audio")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ExpectRule:
    """What holds for the jobs of a type; None = this rule leaves it to the next."""

    #: Pattern of the row's job type: `*` stands for anything, case makes no difference.
    job_type: str
    frames: FrameRule | None = None
    #: What the row's frames are multiplied with: it tells of those before an interpolation.
    frame_factor: int | None = None
    frame_tolerance: int | None = None
    #: The fields that are not None are expected of each such job.
    values: Expectation = field(default_factory=Expectation)
    #: Kinds of warnings of its content that refuse a file.
    refuse: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ExpectPolicy:
    """How expectations are made of what the sources say."""

    #: A row's frames count although they are what the column has by default.
    column_default_counts: bool = False
    #: Columns that are believed.
    columns: frozenset[str] = frozenset({"frames"})
    #: Believe what the graph says of the frames and the rate of a saver.
    workflow: bool = True
    frame_tolerance: int = 0
    fps_within: float = 0.01
    duration_within: float = 0.01
    refuse: frozenset[str] = frozenset()
    rules: tuple[ExpectRule, ...] = field(default=())


def expected_of(
    job_type: str | None,
    row: Expectation,
    *,
    frames_by_default: bool,
    others: Sequence[Stated],
    workflow: Stated | None,
    policy: ExpectPolicy,
) -> Expected:
    """What is expected of the main output of a job.

    In this order, field by field: the row, the `others` (an Expect Frames node), the rules by job
    type, the workflow. What is told by the one who wrote the job goes before what is told of all
    its kind, and what somebody wants before what the workflow is going to make, which may be the
    mistake.
    """
    rules = [
        (f"expectations.rules[{n}]", rule)
        for n, rule in enumerate(policy.rules)
        if is_like(job_type, rule.job_type)
    ]
    compare = _first([rule.frames for _, rule in rules], FrameRule.EXACT)
    factor = _first([rule.frame_factor for _, rule in rules], 1)
    tolerance = _first([rule.frame_tolerance for _, rule in rules], policy.frame_tolerance)
    default = row.frames.count if row.frames and frames_by_default else None
    if default is not None and not policy.column_default_counts:
        row = replace(row, frames=None)
    else:
        default = None
    sources = [Stated(_row(factor, row), _multiplied(_believed(row, policy.columns), factor))]
    sources += [*others, *(Stated(by, rule.values) for by, rule in rules)]
    if workflow is not None and policy.workflow:
        sources.append(workflow)
    merged = merge([Stated(s.by, _compared(s.values, compare, tolerance)) for s in sources])
    values = replace(
        merged.values, fps_within=policy.fps_within, duration_within=policy.duration_within
    )
    refuse = _first([rule.refuse for _, rule in rules], policy.refuse)
    if compare is FrameRule.IGNORE or merged.values.frames is not None:
        default = None
    return replace(merged, values=values, refuse=refuse, default_frames=default)


def _first(said: Sequence[_T | None], default: _T) -> _T:
    return next((value for value in said if value is not None), default)


def _row(factor: int, row: Expectation) -> str:
    return f"{ROW}, {row.frames.count} times {factor}" if row.frames and factor > 1 else ROW


def _believed(row: Expectation, columns: frozenset[str]) -> Expectation:
    nothing: dict[str, Any] = {name: None for name in COLUMNS if name not in columns}
    return replace(row, **nothing)


def _multiplied(row: Expectation, factor: int) -> Expectation:
    """An interpolation makes n frames for each, or leaves out what would follow the last."""
    if row.frames is None or factor == 1:
        return row
    count = row.frames.count
    frames = replace(row.frames, count=count * factor, also=((count - 1) * factor + 1,))
    return replace(row, frames=frames)


def _compared(values: Expectation, compare: FrameRule, tolerance: int) -> Expectation:
    if values.frames is None:
        return values
    if compare is FrameRule.IGNORE:
        return replace(values, frames=None)
    frames: ExpectedFrames = replace(values.frames, rule=compare, tolerance=tolerance)
    return replace(values, frames=frames)
