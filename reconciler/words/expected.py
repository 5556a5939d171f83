"""What was expected of the main output, by whom, and what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.store.records import StoryEvent
from reconciler.store.views import JobView

#: As `outputs.expected.told` says it.
_SAID = re.compile(
    r"expected (?P<wanted>.+?(?: \(give or take \d+\))?)(?: \((?P<by>.+)\))?, found (?P<found>.+)"
)
#: What is expected, by how it ends, and the defect of a file that has something else.
_DEFECTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("frames a second", re.compile(r".+ frames a second")),
    ("frames", re.compile(r"(none|\d+) of (at least )?\d+( or \d+)* frames( could be counted)?")),
    ("pixels wide", re.compile(r"\d+ x \d+ instead of .+")),
    ("pixels high", re.compile(r"\d+ x \d+ instead of .+")),
    ("sound", re.compile(r"(no )?sound, though .+")),
    (" s", re.compile(r"[\d.]+ of [\d.]+ s")),
    ("", re.compile(r".+, less than the .+ expected")),
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that was expected; `found` and `met` are None as long as nobody knows."""

    wanted: str
    by: str
    found: str | None = None
    met: bool | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """All of it, and what there is to know beside it, in sentences."""

    rows: tuple[Expectation, ...] = ()
    notes: tuple[str, ...] = ()


def expectations(job: JobView, events: Sequence[StoryEvent]) -> Expectations:
    """As the last judgement of the files had it; before one, what the row says."""
    for stored in reversed(events):
        if stored.attempt == job.attempt:
            files = _files(stored.event.evidence.get("outputs"))
            found = [_judged(file) for file in files if file.get("expected")]
            if found:
                return found[-1]
    if job.frames is None:
        return Expectations()
    return Expectations((Expectation(f"{job.frames} frames", "the row"),))


def _files(outputs: object) -> list[dict[str, Any]]:
    listed: Iterable[object] = outputs if isinstance(outputs, list) else ()
    return [file for file in listed if isinstance(file, dict)]


def _judged(file: dict[str, Any]) -> Expectations:
    """What was said about one file."""
    defects = [str(defect) for defect in file.get("defects") or ()]
    rows, notes = [], []
    for line in map(str, file["expected"]):
        said = _SAID.fullmatch(line)
        if said is None:
            notes.append(line)
            continue
        wanted, by, found = said["wanted"], said["by"] or "", said["found"]
        rows.append(Expectation(wanted, by, found, not _is_wrong(wanted, found, defects)))
    return Expectations(tuple(rows), tuple(notes))


def _is_wrong(wanted: str, found: str, defects: Sequence[str]) -> bool:
    """True where a defect says that the file has something else."""
    plain = wanted.partition(" (give")[0]
    if "pixels" in plain and plain.partition(" ")[0] == found:
        return False  # of width and height the other one is wrong
    pattern = next(pattern for ending, pattern in _DEFECTS if plain.endswith(ending))
    return any(pattern.fullmatch(defect) for defect in defects)
