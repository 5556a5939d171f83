"""What each way of estimating says of a run at some instants, and how wrong that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from statistics import fmean, median

from reconciler.core.estimate import Work, done_part, left, percent
from reconciler.core.evidence import NodeRun
from reconciler.core.kinds import Kind, Run, Sizes
from reconciler.core.lessons import Lessons
from reconciler.core.spans import Span
from tests.benchmarks.eta_world import Played, history, studio

#: Shares of a run at which it is asked how long it still takes.
POINTS = (0.1, 0.5, 0.9)
#: Instants of a run at which its progress is looked at.
INSTANTS = 40


class Way(StrEnum):
    """Ways of estimating."""

    LEARNED = "learned"
    BY_PROGRESS = "elapsed / progress"
    BY_MEAN = "mean of past jobs"


class Case(StrEnum):
    """What there was to go by."""

    WHOLE = "workflow known, progress heard"
    NO_TIMES = "the same, times of nodes never told"
    SILENT = "workflow known, nothing heard"
    FIRST = "first runs of a workflow"
    NO_GRAPH = "graph not shown: job type only"


@dataclass
class Answer:
    """What was said at one instant."""

    case: Case
    point: float
    #: Relative error by way.
    errors: dict[Way, float]
    below_p50: bool
    below_p90: bool


@dataclass
class Trial:
    """All answers over histories, and what progress did."""

    answers: list[Answer] = field(default_factory=list)
    #: Looks at the progress, those of them at which the parts done had gone back (what is shown
    #: never does), and those that showed 100 %.
    looks: int = 0
    back: int = 0
    at_100: int = 0

    def at(self, point: float, case: Case | None = None) -> list[Answer]:
        """The answers at a share of the run."""
        return [a for a in self.answers if a.point == point and case in (None, a.case)]


def mean_of(answers: Iterable[Answer], way: Way) -> float:
    """The mean absolute relative error."""
    return fmean(answer.errors[way] for answer in answers)


def median_of(answers: Iterable[Answer], way: Way) -> float:
    """The median absolute relative error."""
    return median(answer.errors[way] for answer in answers)


@dataclass
class Mean:
    """The mean of past jobs of the workflow, where that is known, else of all."""

    past: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def of(self, played: Played) -> float:
        known = self.past[played.workflow] if played.shows_graph else []
        known = known or [ran_s for each in self.past.values() for ran_s in each]
        return fmean(known) if known else played.budget_s


def run(seeds: Iterable[int], runs: int) -> Trial:
    """Plays the histories of these seeds; each run is judged by what ended before it."""
    trial = Trial()
    for seed in seeds:
        lessons, mean = Lessons(), Mean()
        for played, ended in _with_those_before(history(studio(seed), runs)):
            for past in ended:
                lessons.add([_run_of(past)])
                mean.past[past.workflow].append(past.ran_s)
            _judge(trial, played, lessons, mean)
    return trial


def _with_those_before(runs: Iterable[Played]) -> Iterator[tuple[Played, list[Played]]]:
    """Each run as it begins, and those that ended since the one before began."""
    waiting: list[Played] = []
    for played in sorted(runs, key=lambda each: each.began_s):
        ended = [past for past in waiting if past.ended_s <= played.began_s]
        waiting = [past for past in waiting if past.ended_s > played.began_s] + [played]
        yield played, sorted(ended, key=lambda past: past.ended_s)


def _judge(trial: Trial, played: Played, lessons: Lessons, mean: Mean) -> None:
    kind = _kind(played)
    case = _case(played, known=lessons.knows(kind))
    expected = lessons.expected(kind, played.budget_s)
    nodes = lessons.nodes(kind) or lessons.guess(played.types if played.shows_graph else {})
    for point in POINTS:
        elapsed_s = point * played.ran_s
        true_s = played.ran_s - elapsed_s
        work = _work(played, elapsed_s)
        said = left(work, elapsed_s, expected, nodes)
        by_way = _ways(played, elapsed_s, work, said, mean.of(played))
        errors = {way: abs(left_s - true_s) / true_s for way, left_s in by_way.items()}
        answer = Answer(case, point, errors, true_s <= said.p50_s, true_s <= said.p90_s)
        trial.answers.append(answer)
    works = [_work(played, played.ran_s * n / INSTANTS) for n in range(INSTANTS)]
    parts = [done_part(work, nodes) or 0.0 for work in works]
    trial.looks += len(parts)
    trial.back += sum(after < before for before, after in pairwise(parts))
    trial.at_100 += sum(percent(work, 0, nodes) >= 100 for work in works)


def _ways(
    played: Played, elapsed_s: float, work: Work, said: Span, mean_s: float
) -> dict[Way, float]:
    by_mean_s = max(mean_s - elapsed_s, 0.0)
    steps = work.value / work.maximum if work.maximum else 0.0
    # Each node of the graph alike, those from the cache done at once.
    done = (work.nodes_done + steps) / played.graph_nodes if work.nodes_total else 0.0
    return {
        Way.LEARNED: said.p50_s,
        Way.BY_PROGRESS: elapsed_s * (1 - done) / done if done > 0 else by_mean_s,
        Way.BY_MEAN: by_mean_s,
    }


def _case(played: Played, *, known: bool) -> Case:
    if not played.shows_graph:
        return Case.NO_GRAPH
    if not known:
        return Case.FIRST
    if not played.heard:
        return Case.SILENT
    return Case.WHOLE if played.tells_times else Case.NO_TIMES


def _kind(played: Played) -> Kind:
    workflow = played.workflow if played.shows_graph else None
    return Kind(workflow, "video", played.server, Sizes(played.frames, played.width, played.height))


def _run_of(played: Played) -> Run:
    told = played.tells_times and played.shows_graph
    nodes = tuple(NodeRun(n, kind, s) for n, kind, s, _, _ in played.nodes) if told else ()
    return Run(_kind(played), played.ran_s, played.ended_s, nodes)


def _work(played: Played, at_s: float) -> Work:
    """What is heard of it at that instant."""
    if not played.heard:
        return Work()
    total = played.graph_nodes if played.shows_graph else None
    ended: dict[str, float] = {}
    for node_id, _, seconds, steps, warm_up_s in played.nodes:
        if at_s < seconds:
            step = 0
            if steps and at_s > warm_up_s:
                step = int((at_s - warm_up_s) / (seconds - warm_up_s) * steps)
            done = len(ended) + len(played.cached)
            return Work(total, done, step, steps or None, node_id, at_s, ended)
        at_s -= seconds
        ended[node_id] = seconds
    return Work(total, played.graph_nodes, ended=ended)
