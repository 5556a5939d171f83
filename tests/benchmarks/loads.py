"""How many jobs, how many ends, how fast: the whole run, and the quick one."""

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmarks.measure import Load
from tests.benchmarks.poller import ROUND_PAUSE_S


@dataclass(frozen=True)
class Plan:
    """Loads of the reconciler, one after the other, and of the poller, all at once."""

    ours: tuple[Load, ...]
    polled: tuple[Load, ...]


def _spread(number: int) -> tuple[float, ...]:
    """With one job the poller's rounds and the prompts' starts go in step: prompts that take from
    almost nothing to a whole round end at every point of a round equally often."""
    return tuple(ROUND_PAUSE_S * (n + 0.5) / number for n in range(number))


#: About six minutes. A round of the poller takes two minutes and more with 200 jobs.
WHOLE = Plan(
    ours=(
        Load(open_jobs=0, ends=0, seconds=(), rest_s=30.0),
        Load(open_jobs=1, ends=30, seconds=(0.3,), rest_s=10.0),
        Load(open_jobs=20, ends=100, seconds=(0.3,), rest_s=30.0),
        Load(open_jobs=200, ends=30, seconds=(0.5,), rest_s=20.0),
    ),
    polled=(
        Load(open_jobs=1, ends=10, seconds=_spread(10), rest_s=20.0),
        Load(open_jobs=20, ends=25, seconds=(1.5,), rest_s=30.0),
        Load(open_jobs=200, ends=20, seconds=(0.7,), rest_s=10.0, patience_s=115.0),
    ),
)
#: Under 90 s: enough to see whether something broke, not to quote.
QUICK = Plan(
    ours=(
        Load(open_jobs=0, ends=0, seconds=(), rest_s=4.0),
        Load(open_jobs=1, ends=5, seconds=(0.3,), rest_s=3.0),
        Load(open_jobs=20, ends=12, seconds=(0.2,), rest_s=4.0),
        Load(open_jobs=200, ends=5, seconds=(0.5,), rest_s=2.0),
    ),
    polled=(
        Load(open_jobs=1, ends=3, seconds=_spread(3), rest_s=4.0, patience_s=10.0),
        Load(open_jobs=20, ends=6, seconds=(0.7,), rest_s=4.0, patience_s=8.0),
        Load(open_jobs=200, ends=5, seconds=(0.3,), rest_s=4.0, patience_s=4.0),
    ),
)
