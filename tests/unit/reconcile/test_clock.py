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
