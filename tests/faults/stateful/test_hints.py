"""Hints are only hints: lost, doubled or out of order, the rows say the same in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Figure
from tests.faults.stateful.database import Database
from tests.faults.stateful.hinted import CHANNELS, Final, play
from tests.faults.stateful.world import World


@pytest.fixture
def emptied(database: str) -> Iterator[Database]:
    opened = Database(database)
    yield opened
    opened.close()


@pytest.mark.timeout(1800)
def test_rows_are_those_of_the_run_that_heard_everything(
    emptied: Database, long: bool, figure: Figure
) -> None:
    seeds, jobs = (range(20), 33) if long else (range(1), 11)
    ends: Counter[str] = Counter()
    for seed in seeds:
        found = {channel: _play(emptied, channel, seed, jobs) for channel in CHANNELS}
        whole = found["lossless"]
        ends.update(f"{status} {code or ''}".strip() for status, code, _, _ in whole)
        for channel in CHANNELS:
            assert found[channel] == whole, f"hints {channel}, seed {seed}"
    figure(f"{len(seeds)} histories of {jobs} jobs through {len(CHANNELS)} channels: the same rows")
    figure(", ".join(f"{end} {number}" for end, number in ends.most_common()))


def _play(database: Database, channel: str, seed: int, jobs: int) -> list[Final]:
    world = World(database)
    try:
        return play(world, channel, seed, jobs)  # type: ignore[arg-type]
    finally:
        world.close()
