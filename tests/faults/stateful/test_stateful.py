"""Histories of everything at once: the rows never say what is not the case, and when it is calm
they say all that is. `python -m tests.faults.stateful` makes more of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Figure
from tests.faults.stateful.database import Database
from tests.faults.stateful.machine import History
from tests.faults.stateful.running import run_histories
from tests.faults.stateful.scripts import KEPT, follow

#: Steps of one history at most, and histories: the same each time, and others each time.
STEPS = 40
FIXED, NEW = 6, 6
#: Steps in all that the long form makes.
LONG_STEPS = 10_000


@pytest.fixture
def emptied(database: str) -> Iterator[Database]:
    opened = Database(database)
    yield opened
    opened.close()


@pytest.mark.timeout(900)
def test_kept_histories_find_nothing(emptied: Database, figure: Figure) -> None:
    History.database, History.counts = emptied, Counter()
    for name in KEPT:
        follow(name)
    figure(f"{History.counts['steps']} steps of {len(KEPT)} kept histories, 0 wrong")


# A failure is made small first, which takes its time.
@pytest.mark.timeout(3600)
def test_whatever_happens_the_rows_tell_the_truth(
    emptied: Database, long: bool, figure: Figure
) -> None:
    History.counts, began = Counter(), time.monotonic()
    run_histories(emptied, FIXED, STEPS, fixed=True)
    run_histories(emptied, NEW, STEPS)
    while long and History.counts["steps"] < LONG_STEPS:
        run_histories(emptied, 100, STEPS)
    seconds, counts = time.monotonic() - began, dict(History.counts.most_common())
    steps, histories = counts.pop("steps"), counts.pop("histories")
    figure(f"{steps} steps in {histories} histories, {steps / seconds:.0f} steps/s, 0 wrong")
    figure(", ".join(f"{name} {number}" for name, number in counts.items()))
