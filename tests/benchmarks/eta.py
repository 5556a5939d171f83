"""How wrong the remaining time is that a job is said to have, on made-up histories.

The constants of the model were chosen on seeds below `FIRST_SEED`; what is printed is of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from rich.console import Console
from rich.table import Table

from tests.benchmarks.eta_trial import (
    POINTS,
    Answer,
    Case,
    Trial,
    Way,
    mean_of,
    median_of,
    run,
)

FIRST_SEED = 1000
#: Histories, and runs of each.
WHOLE, QUICK = (40, 200), (8, 100)


def run_all(console: Console, *, quick: bool) -> None:
    """Plays the histories, and prints the errors."""
    histories, runs = QUICK if quick else WHOLE
    trial = run(range(FIRST_SEED, FIRST_SEED + histories), runs)
    console.print(f"{histories} histories of {runs} runs; seeds from {FIRST_SEED}")
    console.print(_errors(trial))
    console.print(_cases(trial))
    console.print(_coverage(trial))
    console.print(
        f"progress: {trial.looks} looks, the parts done went back at {trial.back}, 100 % was shown"
        f" at {trial.at_100}"
    )


def _errors(trial: Trial) -> Table:
    table = Table("remaining time", *_points("of the run"), title="relative error, mean (median)")
    for way in Way:
        table.add_row(way.value, *(_error(trial.at(point), way) for point in POINTS))
    return table


def _cases(trial: Trial) -> Table:
    table = Table("what there was to go by", "runs", "way", *_points(""), title="the same by case")
    for case in Case:
        for way in Way:
            first = (case.value, str(len(trial.at(POINTS[0], case)))) if way is Way.LEARNED else ()
            cells = (_error(trial.at(point, case), way) for point in POINTS)
            table.add_row(*(first or ("", "")), way.value, *cells)
    return table


def _coverage(trial: Trial) -> Table:
    table = Table("truth is at most", *_points("of the run"), title="what the range holds")
    for name, answer in (("p50", lambda a: a.below_p50), ("p90", lambda a: a.below_p90)):
        held = (fmean(map(answer, trial.at(point))) for point in POINTS)
        table.add_row(name, *(f"{100 * share:.0f} %" for share in held))
    return table


def _points(of: str) -> list[str]:
    return [f"at {100 * point:.0f} % {of}".strip() for point in POINTS]


def _error(answers: Sequence[Answer], way: Way) -> str:
    if not answers:
        return ""
    return f"{100 * mean_of(answers, way):.0f} % ({100 * median_of(answers, way):.0f} %)"
