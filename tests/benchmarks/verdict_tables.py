"""The tables of the verdicts: recall, false alarms, counts, and processor time beside ffmpeg."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.judges import ERRORS, OURS, PYAV, STATUS, WARNINGS, Asked
from tests.corpus.cases import Truth
from tests.corpus.score import COUNTED

JUDGES = (STATUS, ERRORS, WARNINGS, PYAV, OURS)
#: Below this a plain decode is mostly the start of a process.
SHORT_S = 0.5


def show(console: Console, asked: Sequence[Asked], long: Sequence[Asked]) -> None:
    """Print everything."""
    console.print(_verdicts(asked))
    console.print(_costs(asked, long))
    for each in asked:
        case, said = each.case, each.said[OURS]
        if case is None or case.truth is Truth.HARMLESS:
            continue
        if case.truth is Truth.SOUND and said.blamed:
            console.print(escape(f"false alarm: {case.recipe}: {said.words}"))
        elif case.truth is Truth.SOUND and said.frames != case.frames:
            counts = f"{said.frames}, made with {case.frames}; {said.words}"
            console.print(escape(f"wrong count: {case.recipe}: {counts}"))
        elif case.truth is Truth.DAMAGED and not _found(each, OURS) and each.visible:
            console.print(escape(f"missed: {case.recipe}, {case.damage}: {case.what}"))


def _found(each: Asked, judge: str) -> bool:
    said, case = each.said[judge], each.case
    if case is not None and case.damage in COUNTED and said.frames is not None:
        return said.frames != case.frames
    return said.blamed


def _is(truth: Truth, *, counted: bool = False) -> Callable[[Asked], bool]:
    def matches(each: Asked) -> bool:
        case = each.case
        return case is not None and case.truth is truth and (case.damage in COUNTED) is counted

    return matches


def _verdicts(asked: Sequence[Asked]) -> Table:
    damaged = list(filter(_is(Truth.DAMAGED), asked))
    visible = [each for each in damaged if each.visible]
    sound = list(filter(_is(Truth.SOUND), asked))
    films = [each for each in sound if each.case and each.case.media == "video"]
    counted = list(filter(_is(Truth.DAMAGED, counted=True), asked))
    harmless = sum(map(_is(Truth.HARMLESS), asked))
    table = _table(f"Verdicts on {len(asked)} files, {harmless} changed, but the same to see")
    for title in ("", "recall, visible", "all damage", "false alarms", "wrong counts", "expected"):
        table.add_column(title, justify="right" if title else "left")
    for judge in JUDGES:
        table.add_row(
            judge,
            _share(visible, judge, percent=True),
            _share(damaged, judge, percent=True),
            _share(sound, judge),
            _miscounted(films, judge),
            _share(counted, judge),
        )
    table.caption = (
        f"visible: {len(visible)} of {len(damaged)} damaged files, those whose damage somebody can"
        " see without a digest; expected: a frame too many or too few, told by who counts"
    )
    return table


def _share(asked: Sequence[Asked], judge: str, *, percent: bool = False) -> str:
    found = sum(_found(each, judge) for each in asked)
    share = f"{found / max(1, len(asked)):.1%} = " if percent else ""
    return f"{share}{found}/{len(asked)}"


def _miscounted(films: Sequence[Asked], judge: str) -> str:
    if all(each.said[judge].frames is None for each in films):
        return "-"
    wrong = sum(each.said[judge].frames != each.case.frames for each in films if each.case)
    return f"{wrong}/{len(films)}"


def _costs(asked: Sequence[Asked], long: Sequence[Asked]) -> Table:
    everything = [*asked, *long]
    short = [each for each in everything if each.cpu_s[ERRORS] < SHORT_S]
    sound = list(filter(_is(Truth.SOUND), short))
    table = _table("Processor time beside `ffmpeg -v error -i F -f null -`")
    table.add_column("")
    for title in (f"{len(sound)} sound files", f"all {len(short)} short files"):
        table.add_column(title, justify="right")
    for each in long:
        table.add_column(each.path.stem, justify="right")
    table.add_row(
        "ffmpeg at error",
        *(f"{_median(some, ERRORS):.0f} ms" for some in (sound, short)),
        *(f"{each.cpu_s[ERRORS]:.2f} s" for each in long),
    )
    for judge in (WARNINGS, PYAV, OURS):
        more = (f"{_more(some, judge):+.0f} ms" for some in (sound, short))
        ratios = (f"x {each.cpu_s[judge] / each.cpu_s[ERRORS]:.2f}" for each in long)
        table.add_row(judge, *more, *ratios)
    table.caption = "short files: median, and median of the difference; long ones: ratio, of 3 runs"
    return table


def _median(asked: Sequence[Asked], judge: str) -> float:
    return 1000 * statistics.median(each.cpu_s[judge] for each in asked)


def _more(asked: Sequence[Asked], judge: str) -> float:
    return 1000 * statistics.median(each.cpu_s[judge] - each.cpu_s[ERRORS] for each in asked)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.caption_justify = "left"
    return table
