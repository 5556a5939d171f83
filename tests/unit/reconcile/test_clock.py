"""The database's time between two questions."""

from __future__ import annotations

from reconciler.reconcile.clock import DatabaseClock


def test_it_goes_on_from_what_the_database_said() -> None:
    now = [50.0]
    clock = DatabaseClock(lambda: now[0])
    clock.set(1_000_000.0)
    now[0] = 53.5
    assert clock.now() == 1_000_003.5
    assert clock.at(51.0) == 1_000_001.0


def test_it_notices_that_the_databases_clock_was_set() -> None:
    now = [50.0]
    clock = DatabaseClock(lambda: now[0])
    assert clock.set(1_000_000.0) == 0.0, "the first time there is nothing to compare with"
    now[0] = 60.0
    assert clock.set(1_000_011.0) == 0.0, "an answer may be late"
    now[0] = 70.0
    assert clock.set(1_003_621.0) == 3600.0
    assert clock.now() == 1_003_621.0
    assert clock.set(1_000_021.0) == -3600.0
