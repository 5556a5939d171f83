"""One file as `reconciler check` judges it: what was found, and what was expected of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from reconciler.core.expectation import Expectation
from reconciler.errors import InspectionError, OutputError
from reconciler.outputs.expected import unmet
from reconciler.outputs.inspection import Defect, Inspection
from reconciler.outputs.text import shown_path

#: The kind of defect of a file that could not be inspected at all.
UNREADABLE_KIND = "unreadable"
#: Facts of an inspection that programs get; None where nothing is known.
_FACTS = ("fps", "duration_s", "width", "height", "codec", "container")


class Found(StrEnum):
    """What is to be thought of a file, expectations included."""

    SOUND = "sound"
    UNSOUND = "unsound"
    #: Nothing here can decode it: neither sound nor unsound.
    UNJUDGED = "unjudged"
    #: It could not be read, or its inspection could not be run: nothing is known.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Checked:
    """One file, what was found in it, and all that is wrong, what was expected included."""

    path: Path
    #: None where it could not be read.
    inspection: Inspection | None
    defects: tuple[Defect, ...]

    @property
    def found(self) -> Found:
        """What is wrong outranks what cannot be judged."""
        if self.inspection is None:
            return Found.UNREADABLE
        if self.defects:
            return Found.UNSOUND
        return Found(self.inspection.verdict)

    @property
    def warnings(self) -> tuple[Defect, ...]:
        """What a person should know of a file, sound or not."""
        return () if self.inspection is None else self.inspection.warnings


def judge(path: Path, inspect: Callable[[Path], Inspection], expected: Expectation) -> Checked:
    """Inspect a file and compare it with what is expected. Raises nothing for a file's fault."""
    try:
        inspection = inspect(path)
    except (OutputError, InspectionError) as error:
        words = str(error).removeprefix(f"{shown_path(path)} ")
        return Checked(path, None, (Defect(UNREADABLE_KIND, words),))
    return Checked(path, inspection, (*inspection.defects, *unmet(inspection, expected)))


def as_json(checked: Checked, expected: Expectation) -> dict[str, Any]:
    """A file for programs. The bytes of a name that are no UTF-8 are Python's surrogates."""
    seen = checked.inspection
    return {
        "path": os.fspath(checked.path),
        "verdict": checked.found.value,
        "sound": checked.found is Found.SOUND,
        "media": getattr(seen, "media", None),
        "frames": getattr(seen, "frames", None),
        "expected_frames": None if expected.frames is None else expected.frames.count,
        **{name: getattr(seen, name, None) for name in _FACTS},
        "has_audio": getattr(seen, "has_audio", None),
        "size_bytes": getattr(seen, "size_bytes", None),
        "defects": [_defect(defect) for defect in checked.defects],
        "warnings": [_defect(warning) for warning in checked.warnings],
        "unjudged": getattr(seen, "unjudged", None),
    }


def _defect(defect: Defect) -> dict[str, Any]:
    return {
        "kind": defect.kind,
        "detail": defect.detail,
        "offset": defect.offset,
        "at_s": defect.at_s,
    }
