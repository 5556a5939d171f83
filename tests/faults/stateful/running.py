"""Runs histories: how many, how long, and whether they are the same each time."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.stateful.database import Database
from tests.faults.stateful.machine import History


def run_histories(
    database: Database, histories: int, steps: int, *, shrink: bool = True, fixed: bool = False
) -> None:
    """Raises what a history found, with the history as a script among the notes."""
    History.database = database
    shrinking = [Phase.shrink] if shrink else []
    wanted = settings(
        max_examples=histories,
        stateful_step_count=steps,
        derandomize=fixed,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=[Phase.generate, *shrinking],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(History, settings=wanted)
