"""Verdicts on a corpus that nobody tuned to, beside those of ffmpeg and PyAV, and their cost."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from reconciler.outputs.limits import Limits
from reconciler.outputs.pool import Inspectors
from tests.benchmarks import verdict_tables
from tests.benchmarks.films import films
from tests.benchmarks.judges import (
    ERRORS,
    OURS,
    PYAV,
    STATUS,
    WARNINGS,
    Asked,
    cpu_s,
    ours,
    plain,
    pyav,
    warned,
)
from tests.corpus.build import build
from tests.corpus.cases import Case, Truth
from tests.corpus.oracles import noticed

#: Recipes of the quick run: one of each container.
QUICK = """
    mp4-h264 mp4-h264-vfr mov-prores mkv-hevc webm-vp9-opus webm-vp8 avi-mjpeg-pcm ts-h264-aac
    gif webp-animated png-apng png jpg webp wav-s16 flac mp3-cbr opus
"""


def run(console: Console, *, quick: bool, seed: int = 7) -> None:
    """Make the corpus, ask everybody one after the other, print the tables."""
    with tempfile.TemporaryDirectory(prefix="reconciler-verdicts-") as home:
        folder = Path(home)
        cases = build(folder, seed, "report", frozenset(QUICK.split()) if quick else None)
        with closing(Inspectors(1, Limits())) as inspectors:
            asked = [_ask(Asked(folder / case.path, case), inspectors) for case in cases]
            (folder / "films").mkdir()
            long = [] if quick else films(folder / "films")
            rounds = [_ask(Asked(path), inspectors) for path in long for _ in range(3)]
        by_path = {case.path: case for case in cases}
        for each in asked:
            each.visible = _visible(folder, each, by_path)
    verdict_tables.show(console, asked, _medians(rounds))


def _ask(each: Asked, inspectors: Inspectors) -> Asked:
    judge = ours(inspectors)
    began = cpu_s()
    each.said[STATUS], each.said[ERRORS] = plain(each.path)
    each.cpu_s[STATUS] = each.cpu_s[ERRORS] = _since(began)
    for name, ask in ((WARNINGS, warned), (PYAV, pyav), (OURS, judge)):
        began = cpu_s()
        each.said[name] = ask(each.path)
        each.cpu_s[name] = _since(began)
    return each


def _since(began: float) -> float:
    return cpu_s() - began


def _visible(folder: Path, each: Asked, by_path: dict[str, Case]) -> bool:
    """What anybody here found is visible too, so that nobody's finds are left out."""
    case = each.case
    if case is None or case.truth is not Truth.DAMAGED or case.constructed:
        return True
    if each.said[OURS].blamed or each.said[STATUS].blamed:
        return True
    return noticed(folder, case, by_path.get(case.pristine or ""))


def _medians(rounds: Sequence[Asked]) -> list[Asked]:
    """One entry a film: of each judge the median of its rounds."""
    grouped: dict[Path, list[Asked]] = defaultdict(list)
    for each in rounds:
        grouped[each.path].append(each)
    return [
        Asked(
            path,
            said=group[0].said,
            cpu_s={
                name: statistics.median(each.cpu_s[name] for each in group)
                for name in group[0].cpu_s
            },
        )
        for path, group in grouped.items()
    ]
