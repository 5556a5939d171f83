"""Checked files for the tests of `reconciler check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.cli.check.checked import Checked
from reconciler.outputs.inspection import Defect, Inspection

#: A defect without a place.
CUT = Defect("structure", "moov box missing")


def sound(name: str = "a.mp4", **facts: Any) -> Checked:
    """A video of three seconds, whole unless `facts` say otherwise."""
    usual: dict[str, Any] = {
        "frames": 72,
        "fps": 24.0,
        "duration_s": 3.0,
        "width": 256,
        "height": 128,
        "codec": "h264",
        "container": "mp4",
    }
    inspection = Inspection(Path(name), facts.pop("media", "video"), 9, 1, 2, **usual | facts)
    return Checked(Path(name), inspection, inspection.defects)


def unreadable(name: str = "a.mp4") -> Checked:
    """A file that is not there."""
    return Checked(Path(name), None, (Defect("unreadable", "cannot be opened: gone"),))
