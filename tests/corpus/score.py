"""`python -m tests.corpus.score DIR`: how well the inspection judges a corpus."""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.expectation import Expectation, ExpectedFrames
from reconciler.errors import ReconcilerError
from reconciler.outputs.expected import unmet
from reconciler.outputs.inspect import inspect
from reconciler.outputs.inspection import Verdict
from tests.corpus.cases import Case, Truth, read_index
from tests.corpus.oracles import noticed

#: Only who expects a number of frames can see these.
COUNTED = frozenset({"frames missing", "frames doubled"})


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one case."""

    case: Case
    #: Said to be wrong.
    blamed: bool
    #: What was said, in words.
    words: str
    frames: int | None = None
    #: Neither sound nor unsound.
    unjudged: bool = False


def judge(folder: Path, case: Case) -> Judged:
    """Our own inspection, with the number of frames expected of the file."""
    try:
        seen = inspect(folder / case.path)
    except ReconcilerError as error:
        return Judged(case, False, f"not inspected: {error}", None, True)
    counted = case.frames is not None and case.media == "video" and case.damage in COUNTED
    expected = Expectation(ExpectedFrames(case.frames or 0) if counted else None)
    defects = (*seen.defects, *unmet(seen, expected))
    words = "; ".join(f"{each.kind}: {each.detail}" for each in defects)
    unjudged = seen.verdict is Verdict.UNJUDGED
    return Judged(case, bool(defects), words or (seen.unjudged or ""), seen.frames, unjudged)


def each_of(
    folder: Path, cases: Iterable[Case], ask: Callable[[Path, Case], Judged] = judge
) -> list[Judged]:
    """Ask of all cases, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda case: ask(folder, case), cases))


@dataclass(frozen=True, slots=True)
class Score:
    """What the judgements of a corpus amount to."""

    #: Damaged files that were blamed, and those that can be seen without a digest.
    found: int
    visible: int
    #: All damaged files, silent damage too.
    damaged: int
    alarms: tuple[Judged, ...]
    sound: int
    missed: tuple[Judged, ...]
    silent: tuple[Judged, ...]
    miscounted: tuple[Judged, ...]
    unjudged: tuple[Judged, ...]
    harmless: tuple[Judged, ...]

    @property
    def recall(self) -> float:
        """Of what can be seen without a digest."""
        return self.found / self.visible if self.visible else 1.0


def score(judged: Sequence[Judged], visible: Callable[[Case], bool]) -> Score:
    """Count. `visible` says of what was missed whether anything at all can see it."""
    damaged = [each for each in judged if each.case.truth is Truth.DAMAGED]
    sound = [each for each in judged if each.case.truth is Truth.SOUND]
    found = [each for each in damaged if each.blamed]
    unseen = [each for each in damaged if not each.blamed]
    missed = tuple(each for each in unseen if visible(each.case))
    return Score(
        found=len(found),
        visible=len(found) + len(missed),
        damaged=len(damaged),
        alarms=tuple(each for each in sound if each.blamed),
        sound=len(sound),
        missed=missed,
        silent=tuple(each for each in unseen if each not in missed),
        miscounted=tuple(
            each for each in sound if not each.blamed and each.frames != each.case.frames
        ),
        unjudged=tuple(each for each in judged if each.unjudged),
        harmless=tuple(each for each in judged if each.case.truth is Truth.HARMLESS),
    )


def report(folder: Path, counted: Score, judged: Sequence[Judged]) -> Iterable[str]:
    """The score in words: a line for each file that somebody has to look at."""
    all_found = f"{counted.found} of {counted.damaged}"
    yield f"recall, visible: {counted.recall:.1%} ({counted.found} of {counted.visible})"
    yield f"recall, all:     {counted.found / max(1, counted.damaged):.1%} ({all_found})"
    yield f"false alarms:    {len(counted.alarms)} of {counted.sound} sound files"
    yield f"wrong counts:    {len(counted.miscounted)} of the sound files not blamed"
    blamed = sum(each.blamed for each in counted.harmless)
    yield f"harmless:        {blamed} of {len(counted.harmless)} blamed (no error either way)"
    yield from _listed(folder, "False alarms", counted.alarms)
    yield from _listed(folder, "Missed, though visible", counted.missed)
    yield from _listed(folder, "Silent: no decoder notices", counted.silent)
    yield from _listed(folder, "Wrong counts", counted.miscounted)
    yield from _listed(folder, "Unjudged", counted.unjudged)
    yield from _table(judged, counted)


def _listed(folder: Path, title: str, judged: Sequence[Judged]) -> Iterable[str]:
    if judged:
        yield f"\n## {title} ({len(judged)})"
    for each in sorted(judged, key=lambda one: (one.case.container, one.case.recipe)):
        path, case = str(folder / each.case.path), each.case
        counts = f" frames {each.frames}, made with {case.frames};" if case.frames else ""
        said = f" said: {each.words}" if each.words else ""
        yield f"- {case.recipe} / {case.damage}: {path!r};{counts} {case.what}{said}"


def _table(judged: Sequence[Judged], counted: Score) -> Iterable[str]:
    """Of each kind of damage in each container: found, of how many; s: of them silent."""
    cells: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for each in judged:
        if each.case.truth is Truth.DAMAGED:
            cells[each.case.damage, each.case.container].append(each)
    containers = sorted({container for _, container in cells})
    yield "\n## Found of damaged, by kind and container (s: of them silent)"
    yield "| | " + " | ".join(containers) + " |"
    yield "| --- |" + " --- |" * len(containers)
    for kind in sorted({kind for kind, _ in cells}):
        row = (_cell(cells.get((kind, container), []), counted) for container in containers)
        yield f"| {kind} | " + " | ".join(row) + " |"


def _cell(judged: Sequence[Judged], counted: Score) -> str:
    if not judged:
        return ""
    silent = sum(each in counted.silent for each in judged)
    found = sum(each.blamed for each in judged)
    return f"{found}/{len(judged)}" + (f" {silent}s" if silent else "")


def main() -> None:
    """Prints the score of a corpus."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus.score", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    judged = each_of(folder, read_index(folder))
    pristine = {case.path: case for case in read_index(folder)}
    counted = score(judged, lambda case: noticed(folder, case, pristine.get(case.pristine or "")))
    print("\n".join(report(folder, counted, judged)))


if __name__ == "__main__":
    main()
