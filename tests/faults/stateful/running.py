"""Runs histories: how many, how long, from which seeds."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.stateful.database import Database
from tests.faults.stateful.machine import History


def run_histories(
    database: Database, examples: int, steps: int, *, shrink: bool = True, **more: Any
) -> None:
    """Raises what a history found, with the history as a script."""
    History.database = database
    phases = [Phase.explicit, Phase.reuse, Phase.generate]
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        verbosity=Verbosity.normal,
        phases=phases + ([Phase.shrink] if shrink else []),
        suppress_health_check=list(HealthCheck),
        **more,
    )
    run_state_machine_as_test(History, settings=wanted)
