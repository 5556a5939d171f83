"""Compares an inspected file with what was expected of it."""

from __future__ import annotations

from reconciler.core.expectation import Expectation
from reconciler.outputs.inspection import Defect, Inspection, check_frames


def unmet(inspection: Inspection, expected: Expectation) -> tuple[Defect, ...]:
    """What was expected of a main output and is not so, each in words."""
    frames = expected.frames
    return () if frames is None else check_frames(inspection, frames.count, frames.tolerance)
